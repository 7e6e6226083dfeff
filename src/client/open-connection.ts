/** A server as a program uses it without local ports. */
import { EventEmitter } from 'node:events'
import { type ErrorCode, HyperNatError, OptionsError } from '../errors.js'
import type { ConnectionInfo, DaemonEvent, SharedMapInfo } from '../events.js'
import { encodeKey } from '../identity/encoding.js'
import type { TicketMap } from '../identity/ticket.js'
import { checkDatagrams, checkStream } from '../options/arguments.js'
import type { Proto } from '../proto.js'
import type { DatagramFlow, DatagramOptions, FlowStream } from '../sockets/flow-stream.js'
import type { ClientStatus } from '../status.js'
import { PORT_MAX } from '../text/ports.js'
import { quote } from '../text/quote.js'
import { allowListeners } from '../util/abort-listeners.js'
import { callOut } from '../util/call-out.js'
import type { Connection, ConnectionEvents, ConnectOptions, StreamOptions } from './handle.js'
import { OpenClient, type OpenClientDeps } from './open-client.js'

export class OpenConnection extends EventEmitter<ConnectionEvents> implements Connection {
  readonly publicKey: string
  readonly #client: OpenClient
  readonly #named: readonly TicketMap[]
  /** Called with events until there is a session. */
  #opening: ((event: DaemonEvent) => void) | null = null
  /** Ends the wait for a session, if there is one. */
  #abandon: (err: HyperNatError) => void = noop
  #lost = false
  #closing: Promise<void> | null = null

  /** @param named the port maps of the ticket, if there is one */
  constructor(deps: OpenClientDeps, named: readonly TicketMap[]) {
    super()
    this.publicKey = encodeKey(deps.publicKey)
    this.#named = named
    const emit = (event: DaemonEvent): void => {
      callOut(() => this.#hear(event))
      deps.emit(event)
    }
    this.#client = new OpenClient({ ...deps, emit })
  }

  get maps(): readonly SharedMapInfo[] {
    return this.#client.connection?.shared ?? this.#named.map(({ proto, port }) => ({ proto, port }))
  }

  get info(): ConnectionInfo | null {
    return this.#client.connection
  }

  stream(port: number | string, options: StreamOptions = {}): FlowStream {
    checkStream(options)
    const { proto, signal } = options
    const number = this.#portOf(port, ['tcp', 'tcpudp'])
    // While the connection is lost, the server's own word still counts.
    const said = [...this.#client.shared, ...this.#named]
    const found = said.find(map => map.port === number && map.proto !== 'udp')?.proto
    return this.#client.stream(proto ?? (found === 'tcpudp' ? 'tcpudp' : 'tcp'), number, { signal })
  }

  datagrams(port: number | string, options: DatagramOptions = {}): DatagramFlow {
    checkDatagrams(options)
    return this.#client.datagrams(this.#portOf(port, ['udp']), options)
  }

  ping(): Promise<number | null> {
    return this.#client.ping()
  }

  status(): ClientStatus {
    return this.#client.status()
  }

  close(): Promise<void> {
    this.#abandon(new HyperNatError('CLOSED', 'The connection was closed.'))
    this.#closing ??= this.#client.close().then(() => callOut(() => this.emit('closed')))
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Resolves when there is a session.
   * @throws HyperNatError why there is none, unless `wait` is set; CLOSED; the signal's reason. It is closed then
   */
  async open({ signal, wait = false }: ConnectOptions): Promise<void> {
    let abort = (): void => {}
    try {
      const opened = new Promise<void>((resolve, reject) => {
        abort = () => reject(signal?.reason as Error)
        this.#abandon = reject
        if (signal?.aborted) return abort()
        if (signal) allowListeners(signal)
        signal?.addEventListener('abort', abort)
        this.#opening = event => {
          if (event.event === 'waiting' && !wait)
            reject(new HyperNatError(event.code as ErrorCode, event.message))
          else if (event.event === 'connected') resolve()
        }
      })
      await Promise.all([opened, this.#client.open([])])
    } catch (err) {
      await this.close()
      throw err
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#opening = null
      this.#abandon = noop
    }
  }

  /** What happens to its session. */
  #hear(event: DaemonEvent): void {
    this.#opening?.(event)
    if (event.event === 'disconnected' && !this.#client.connection && !this.#lost) {
      this.#lost = true
      this.emit('lost', event.code)
    } else if (event.event === 'connected' && this.#lost) {
      this.#lost = false
      this.emit('back', event.path)
    } else if (event.event === 'connected' && event.was !== undefined) this.emit('path', event.path)
  }

  #portOf(port: number | string, protos: readonly Proto[]): number {
    if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= PORT_MAX) return port
    if (typeof port === 'string') {
      const named = this.#named.find(map => map.name === port && protos.includes(map.proto))
      if (named) return named.port
      throw fault(`is ${quote(port)}, which is no name of the ticket's; give the number of a port`)
    }
    throw fault(`is ${quote(port)}; give a whole number from 1 to ${PORT_MAX}, or a name of the ticket`)
  }
}

function fault(message: string): OptionsError {
  return new OptionsError([{ path: 'port', message }])
}

function noop(): void {}
