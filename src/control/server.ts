/** A daemon's end of the control socket: answers requests of the same user's programs. */
import { once } from 'node:events'
import net from 'node:net'
import { codeOf, HyperNatError, OptionsError } from '../errors.js'
import type { ControlLimits } from '../limits.js'
import type { Journal } from '../log/journal.js'
import type { DatagramFlow, FlowStream } from '../sockets/flow-stream.js'
import { listenOnPath } from '../sockets/socket-file.js'
import { SOCKET_MODE } from '../text/socket-path.js'
import { joinFlow } from './blocks.js'
import { hangUp } from './hang-up.js'
import { LineReader } from './lines.js'
import { addressOf, announce, type Folder, type Machine, prepare, withdraw } from './place.js'
import type {
  Answer,
  CommandName,
  ControlError,
  DaemonStatus,
  PageLinks,
  Place,
  Reloaded,
  Request,
  Who
} from './wire.js'

/** Whom it speaks for. */
export interface Controlled {
  who(): Who
  status(): DaemonStatus
  reload(): Promise<Reloaded>
  /** @throws HyperNatError NO_PAGE */
  page(): PageLinks
  /**
   * Opens a stream or a UDP flow over a session that is up.
   * @throws HyperNatError NO_SESSION, MAP_NOT_SHARED, BAD_OPTIONS without a port where it is not clear, or why there is no room
   */
  connect(place: Place): { readonly flow: FlowStream | DatagramFlow; readonly port: number }
  /** To be called when the answer has been sent. */
  stop(): void
  readonly journal: Journal
}

export class ControlServer {
  readonly #daemon: Controlled
  readonly #limits: ControlLimits
  readonly #connections = new Set<Connection>()
  readonly #server: net.Server
  /** Has nobody look for it any more. */
  #withdraw = (): void => {}

  constructor(daemon: Controlled, limits: ControlLimits) {
    this.#daemon = daemon
    this.#limits = limits
    this.#server = net.createServer(socket => this.#onSocket(socket))
    // The daemon runs as long as it has something to do; nobody keeps it from ending by asking.
    this.#server.unref()
  }

  /**
   * Listens.
   * @throws HyperNatError CONTROL_FAILED
   */
  async open(folder: Folder, machine: Machine, pid: number): Promise<void> {
    await prepare(folder, machine)
    const address = addressOf(folder, pid, machine)
    try {
      // A daemon of the same number that crashed may have left its file.
      await listenOnPath(this.#server, address, SOCKET_MODE, machine.platform)
      await announce(folder, pid, machine)
      this.#withdraw = () => withdraw(folder, pid, machine)
    } catch (err) {
      this.#server.close()
      throw new HyperNatError(
        'CONTROL_FAILED',
        `There is no control socket, so that status, stop, reload and logs do not work: ${address} cannot be opened (${codeOf((err as Error).cause ?? err)}).`,
        { cause: err }
      )
    }
    // Out of file descriptors, say: it lives on, and tries again with the next connection.
    this.#server.on('error', () => {})
  }

  #onSocket(socket: net.Socket): void {
    socket.unref()
    const onconnect = (): void => void this.#connections.delete(connection)
    const connection = new Connection(socket, this.#daemon, this.#limits, onconnect)
    if (this.#connections.size >= this.#limits.connections) {
      return connection.refuse('TOO_MANY_CONNECTIONS', 'Too many programs ask at once: try again.')
    }
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
    connection.read()
  }

  /** Accepts nothing more; clients that wait for the end of the daemon see it when the process ends, or by {@link hangUp}. */
  close(): void {
    this.#server.close()
    this.#withdraw()
  }

  hangUp(): void {
    for (const connection of this.#connections) connection.end()
  }
}

/** One asker. */
class Connection {
  readonly #socket: net.Socket
  readonly #daemon: Controlled
  readonly #limits: ControlLimits
  /** One request at a time, in their order. */
  #busy: Promise<void> = Promise.resolve()
  #unfollow: (() => void) | null = null
  #leftOut = 0
  #reader: LineReader | null = null
  readonly #onconnect: () => void
  /** `connected`: it carries a stream or flow in place of requests. `refused`: nothing more is answered. */
  #state: 'asking' | 'connected' | 'refused' = 'asking'

  /** @param onconnect called when no more requests come here, as it carries a stream or flow */
  constructor(socket: net.Socket, daemon: Controlled, limits: ControlLimits, onconnect: () => void) {
    this.#socket = socket
    this.#onconnect = onconnect
    this.#daemon = daemon
    this.#limits = limits
    socket.on('error', () => {})
    socket.once('close', () => this.#unfollow?.())
  }

  read(): void {
    const { requestBytes } = this.#limits
    const bad = (): void => {
      this.#busy = this.#busy.then(() =>
        this.refuse('BAD_REQUEST', 'A request is one line of JSON with an id and a command.')
      )
    }
    const reader = new LineReader(
      requestBytes,
      line => {
        const request = requestOf(line)
        if (!request) return bad()
        this.#busy = this.#busy.then(() => this.#answer(request))
      },
      bad
    )
    this.#reader = reader
    this.#socket.on('data', bytes => {
      if (this.#state === 'refused') return
      reader.push(bytes)
      if (this.#state === 'connected') return
      // What has been asked so far is answered before more is asked.
      this.#socket.pause()
      void this.#busy.then(() => this.#socket.resume())
    })
  }

  /** Resolves when the client has read enough of what it was sent, or is gone. */
  async #room(): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed || socket.writableLength <= this.#limits.unreadBytes) return
    const gone = new AbortController()
    const over = (): void => gone.abort()
    socket.once('close', over)
    await once(socket, 'drain', { signal: gone.signal }).catch(() => {})
    socket.off('close', over)
  }

  refuse(code: string, message: string): void {
    this.#state = 'refused'
    hangUp(this.#socket, `${JSON.stringify({ id: null, error: { code, message } })}\n`)
  }

  end(): void {
    this.#socket.end()
  }

  async #answer(request: Request): Promise<void> {
    const { id } = request
    const run = this.#commands[request.command as CommandName]
    await this.#room()
    if (this.#state === 'refused') return
    try {
      if (!run || !Object.hasOwn(this.#commands, request.command)) {
        throw new HyperNatError('UNKNOWN_COMMAND', 'This hyper-nat does not know that command: is it older?')
      }
      const result = await run(request)
      if (result) this.#say({ id, result })
      if (request.command === 'stop') this.#daemon.stop()
    } catch (err) {
      this.#say({ id, error: errorOf(err) })
    }
  }

  readonly #commands: Readonly<Record<CommandName, (request: Request) => unknown>> = {
    who: () => this.#daemon.who(),
    status: () => this.#daemon.status(),
    stop: () => ({}),
    reload: () => this.#daemon.reload(),
    page: () => this.#daemon.page(),
    connect: request => this.#connect(request),
    logs: request => this.#logs(request)
  }

  #connect(request: Request): null {
    const place = placeOf(request)
    if (!place) throw new HyperNatError('BAD_REQUEST', 'connect needs a publicKey and a proto, tcp or udp.')
    const { flow, port } = this.#daemon.connect(place)
    this.#say({ id: request.id, result: { port } })
    this.#state = 'connected'
    this.#reader!.detach(joinFlow(this.#socket, flow))
    this.#onconnect()
    return null
  }

  #logs({ id, lines, follow }: Request): object | null {
    const { journal } = this.#daemon
    const most = Number.isInteger(lines) ? Number(lines) : this.#limits.journalLines
    // The journal is small enough for all of it to wait for the reader.
    for (const line of journal.last(most)) this.#writeLine(id, line)
    if (follow !== true) return {}
    this.#unfollow?.()
    this.#unfollow = journal.follow(line => this.#line(id, line))
    return null
  }

  /** A reader that does not keep up misses lines, and gets their number. */
  #line(id: Request['id'], line: string): void {
    if (this.#socket.writableLength > this.#limits.unreadBytes) {
      this.#leftOut++
      return
    }
    if (this.#leftOut > 0) this.#say({ id, left_out: this.#leftOut })
    this.#leftOut = 0
    this.#writeLine(id, line)
  }

  #writeLine(id: Request['id'], line: string): void {
    this.#write(`{"id":${JSON.stringify(id)},"line":${line}}`)
  }

  #say(answer: Answer): void {
    this.#write(JSON.stringify(answer))
  }

  #write(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\n`)
  }
}

function requestOf(line: string): Request | null {
  try {
    const value = JSON.parse(line) as Partial<Request> | null
    if (typeof value !== 'object' || value === null) return null
    const { id, command } = value
    const named = (typeof id === 'number' || typeof id === 'string') && typeof command === 'string'
    return named ? (value as Request) : null
  } catch {
    return null
  }
}

/** What `connect` asks for; undefined if it is wrong. */
function placeOf({ publicKey, proto, port, as }: Request): Place | undefined {
  const isPort = port === undefined || (typeof port === 'number' && Number.isInteger(port))
  if (typeof publicKey !== 'string' || !isPort || !(as === undefined || typeof as === 'string'))
    return undefined
  return proto === 'tcp' || proto === 'udp' ? { publicKey, proto, port, as } : undefined
}

function errorOf(err: unknown): ControlError {
  const message = err instanceof HyperNatError ? err.message : 'A fault in hyper-nat.'
  const faults =
    err instanceof OptionsError ? err.faults.map(({ path, message }) => ({ path, message })) : null
  return { code: codeOf(err), message, ...(faults && { faults }) }
}
