/** A server as a program uses it without local ports: streams and datagrams to its ports. */
import { EventEmitter } from 'node:events'
import { type ErrorCode, HyperNatError, OptionsError } from '../errors.js'
import type { ConnectionInfo, DaemonEvent, PathKind, SharedMapInfo } from '../events.js'
import type { TicketMap } from '../identity/ticket.js'
import type { Proto } from '../proto.js'
import type { DatagramFlow, FlowStream, FlowStreamOptions } from '../sockets/flow-stream.js'
import { PORT_MAX } from '../text/ports.js'
import { quote } from '../text/quote.js'

export interface ConnectOptions {
  /** Gives up, and closes what was opened, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Whether to go on until the server comes, where it is not there now; left out: that is an error. */
  readonly wait?: boolean | undefined
}

export interface StreamOptions extends FlowStreamOptions {
  /** Whether the server shares the port as `tcp` or `tcpudp`; left out: what the server says, or its ticket; `tcp` if neither does. */
  readonly proto?: Exclude<Proto, 'udp'> | undefined
}

interface ConnectionEvents {
  /** Packets travel another way now. */
  path: [path: PathKind]
  /** There is no connection any more; streams wait for the next one. */
  lost: [code: string]
  /** There is a connection again, and streams go on. */
  back: [path: PathKind]
  closed: []
}

/** What a connection uses of its client. The client itself names libraries that have no types for programs that import this one. */
interface ClientOfConnection {
  readonly connection: ConnectionInfo | null
  stream(proto: Exclude<Proto, 'udp'>, port: number, options: FlowStreamOptions): FlowStream
  datagrams(port: number): DatagramFlow
  ping(): Promise<number | null>
  close(): Promise<void>
}

/** What `HyperNat.connect` gives. */
export class Connection extends EventEmitter<ConnectionEvents> {
  /** The server's, in base58. */
  readonly publicKey: string
  readonly #client: ClientOfConnection
  readonly #named: readonly TicketMap[]
  /** Hears events until there is a session. */
  #opening: ((event: DaemonEvent) => void) | null = null
  #lost = false
  #closing: Promise<void> | null = null

  constructor(publicKey: string, client: ClientOfConnection, named: readonly TicketMap[]) {
    super()
    this.publicKey = publicKey
    this.#client = client
    this.#named = named
  }

  /** The port maps that the server shares with this guest; those of the ticket while there is no connection. */
  get maps(): readonly SharedMapInfo[] {
    return this.#client.connection?.shared ?? this.#named.map(({ proto, port }) => ({ proto, port }))
  }

  /** Path, round trip and loss; null while there is no connection. */
  get info(): ConnectionInfo | null {
    return this.#client.connection
  }

  /**
   * Opens a stream to a port of the server, by number or by the name that its ticket has for it. Bytes may be written at once.
   * @throws HyperNatError BAD_OPTIONS for no such port or name, TOO_MANY_FLOWS, CLOSED; later, the stream fails with a code of
   * its own
   */
  stream(port: number | string, { proto, signal }: StreamOptions = {}): FlowStream {
    const number = this.#portOf(port, ['tcp', 'tcpudp'])
    const found = this.maps.find(map => map.port === number && map.proto !== 'udp')?.proto
    return this.#client.stream(proto ?? (found === 'tcpudp' ? 'tcpudp' : 'tcp'), number, { signal })
  }

  /**
   * Opens a UDP flow to a port of the server.
   * @throws HyperNatError BAD_OPTIONS, CLOSED
   */
  datagrams(port: number | string): DatagramFlow {
    return this.#client.datagrams(this.#portOf(port, ['udp']))
  }

  /** The round trip in ms; null without a connection, or without an answer in time. */
  ping(): Promise<number | null> {
    return this.#client.ping()
  }

  /** Ends all streams and the session. */
  close(): Promise<void> {
    this.#closing ??= this.#client.close().then(() => void this.emit('closed'))
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What happens to its session. */
  hear(event: DaemonEvent): void {
    this.#opening?.(event)
    if (event.event === 'disconnected' && !this.#client.connection && !this.#lost) {
      this.#lost = true
      this.emit('lost', event.code)
    } else if (event.event === 'connected' && this.#lost) {
      this.#lost = false
      this.emit('back', event.path)
    } else if (event.event === 'connected' && event.was !== undefined) this.emit('path', event.path)
  }

  /**
   * Resolves when there is a session.
   * @throws HyperNatError why there is none, unless `wait` is set; the signal's reason
   */
  opened({ signal, wait = false }: ConnectOptions): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(signal?.reason as Error)
      if (signal?.aborted) return abort()
      signal?.addEventListener('abort', abort, { once: true })
      this.#opening = event => {
        if (event.event === 'waiting' && !wait)
          reject(new HyperNatError(event.code as ErrorCode, event.message))
        else if (event.event === 'connected') resolve()
      }
    }).finally(() => {
      this.#opening = null
    })
  }

  #portOf(port: number | string, protos: readonly Proto[]): number {
    if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= PORT_MAX) return port
    if (typeof port === 'string') {
      const named = this.#named.find(map => map.name === port && protos.includes(map.proto))
      if (named) return named.port
      throw fault(`is ${quote(port)}, a name that the ticket has not; give the number of a port`)
    }
    throw fault(`is ${quote(port)}; give a whole number from 1 to ${PORT_MAX}, or a name of the ticket`)
  }
}

function fault(message: string): OptionsError {
  return new OptionsError([{ path: 'port', message }])
}
