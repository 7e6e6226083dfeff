/** The other end of the control socket: asks a daemon, and finds those that run. */
import net from 'node:net'
import { codeOf, type ErrorCode, HyperNatError, OptionsError } from '../errors.js'
import { CONTROL_LIMITS, type ControlLimits } from '../limits.js'
import { ControlDatagrams, ControlStream, hungUp } from './blocks.js'
import { LineReader } from './lines.js'
import {
  addressesIn,
  type ControlSetting,
  clear,
  type Folder,
  foldersOf,
  isSameFile,
  type Machine,
  pidOf,
  realFile,
  thisMachine
} from './place.js'
import type { Answer, CommandName, ControlError, JournalLine, Place, Request, Results, Who } from './wire.js'

/** A request without an answer yet. */
interface Asked {
  done(result: unknown): void
  fail(err: Error): void
  line(line: JournalLine): void
  leftOut(lines: number): void
}

export class ControlClient {
  readonly #socket: net.Socket
  readonly #asked = new Map<number, Asked>()
  readonly #reader: LineReader
  #nextId = 1
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>

  private constructor(socket: net.Socket, limits: ControlLimits) {
    this.#socket = socket
    const reader = new LineReader(
      limits.answerBytes,
      line => this.#onLine(line),
      () => socket.destroy()
    )
    this.#reader = reader
    socket.on('data', bytes => reader.push(bytes))
    socket.on('error', () => {})
    this.closed = new Promise(resolve => {
      socket.once('close', () => {
        for (const asked of [...this.#asked.values()]) asked.fail(hungUp())
        this.#asked.clear()
        resolve()
      })
    })
  }

  /** Rejects with the system's error when nobody listens at this address. */
  static connect(address: string, limits: ControlLimits = CONTROL_LIMITS): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(address)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new ControlClient(socket, limits))
      })
    })
  }

  /**
   * Asks once.
   * @param ms how long the answer may take
   * @throws HyperNatError the daemon's own code, or CONTROL_FAILED when it does not answer; OptionsError where options have faults
   */
  ask<C extends Exclude<CommandName, 'logs' | 'connect'>>(command: C, ms: number): Promise<Results[C]> {
    return this.#ask({ command }, ms, result => {
      if (isResult(command, result)) return result
      throw notUnderstood()
    })
  }

  /** @param take makes of the result what is given; called before anything else that comes is read */
  #ask<T>(request: Omit<Request, 'id'>, ms: number, take: (result: unknown) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#asked.delete(id)
        reject(
          new HyperNatError('CONTROL_FAILED', `The running hyper-nat does not answer within ${ms / 1000} s.`)
        )
      }, ms)
      const id = this.#send(request, {
        done: result => {
          clearTimeout(late)
          try {
            resolve(take(result))
          } catch (err) {
            reject(err)
          }
        },
        fail: err => {
          clearTimeout(late)
          reject(err)
        },
        line() {},
        leftOut() {}
      })
    })
  }

  /**
   * A stream to a server's TCP port, or a flow to its UDP port, over the session that the daemon has. This connection carries it from
   * then on, and nothing else can be asked.
   * @param ms how long the answer may take
   * @throws HyperNatError NO_SESSION, MAP_NOT_SHARED, BAD_OPTIONS without a port where it is not clear, UNKNOWN_COMMAND of an older
   * daemon, CONTROL_FAILED; later, the stream fails with the code of the one in the daemon
   */
  connect(place: Place & { readonly proto: 'tcp' }, ms: number): Promise<ControlStream>
  connect(place: Place & { readonly proto: 'udp' }, ms: number): Promise<ControlDatagrams>
  connect(place: Place, ms: number): Promise<ControlStream | ControlDatagrams>
  connect(place: Place, ms: number): Promise<ControlStream | ControlDatagrams> {
    return this.#ask({ command: 'connect', ...place }, ms, () => {
      const flow =
        place.proto === 'udp' ? new ControlDatagrams(this.#socket) : new ControlStream(this.#socket)
      this.#reader.detach(flow.receive)
      return flow
    })
  }

  /**
   * What has happened of late, and then, with `follow`, what happens: until the connection is gone.
   * @param options.lines how many at the most of what was; left out: all that is kept
   * @throws HyperNatError CONTROL_FAILED
   */
  logs(
    options: { readonly lines?: number | undefined; readonly follow?: boolean },
    online: (line: JournalLine) => void,
    onleftout: (lines: number) => void
  ): Promise<void> {
    const { lines, follow = false } = options
    return new Promise((resolve, reject) => {
      this.#send(
        { command: 'logs', follow, ...(lines !== undefined && { lines }) },
        {
          done: () => resolve(),
          fail: err => (follow ? resolve() : reject(err)),
          line: online,
          leftOut: onleftout
        }
      )
    })
  }

  /** False once either side has hung up. */
  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  close(): void {
    this.#socket.destroy()
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #send(request: Omit<Request, 'id'>, asked: Asked): number {
    const id = this.#nextId++
    if (this.#socket.writable) {
      this.#asked.set(id, asked)
      this.#socket.write(`${JSON.stringify({ id, ...request })}\n`)
    } else asked.fail(hungUp())
    return id
  }

  #onLine(line: string): void {
    const answer = answerOf(line)
    if (!answer) return this.close()
    // What is refused as a whole is nobody's answer in particular.
    const asked = answer.id === null ? [...this.#asked.values()][0] : this.#asked.get(Number(answer.id))
    if (!asked) return
    if ('line' in answer) return asked.line(answer.line)
    if ('left_out' in answer) return asked.leftOut(answer.left_out)
    if (answer.id !== null) this.#asked.delete(Number(answer.id))
    if ('error' in answer) asked.fail(thrown(answer.error))
    else asked.done(answer.result)
  }
}

/** Undefined for what is no answer. */
function answerOf(line: string): Answer | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isObject(answer) || !('id' in answer)) return undefined
  if ('error' in answer) {
    const { error } = answer
    const isError = isObject(error) && typeof error.code === 'string' && typeof error.message === 'string'
    if (!isError || !(error.faults === undefined || isFaults(error.faults))) return undefined
  } else if ('line' in answer) {
    if (!isObject(answer.line)) return undefined
  } else if (!('result' in answer) && !('left_out' in answer)) return undefined
  return answer as unknown as Answer
}

/** Whether a result has what each command's begins with; those of another version may have more. */
function isResult<C extends CommandName>(command: C, result: unknown): result is Results[C] {
  if (!isObject(result)) return false
  const lists = (...names: string[]): boolean =>
    names.every(
      name => Array.isArray(result[name]) && (result[name] as unknown[]).every(item => item !== null)
    )
  const isWho = typeof result.pid === 'number' && typeof result.since === 'number'
  if (command === 'who') return isWho
  if (command === 'page') return typeof result.url === 'string' && typeof result.once === 'string'
  if (command === 'status') return isWho && lists('servers', 'clients') && isObject(result.network)
  return command !== 'reload' || lists('added', 'removed', 'restart')
}

function isFaults(value: unknown): boolean {
  return Array.isArray(value) && value.every(isObject)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notUnderstood(): HyperNatError {
  return new HyperNatError(
    'CONTROL_FAILED',
    'The running hyper-nat has given an answer that this one does not understand: is it of another version?'
  )
}

function thrown({ code, message, faults }: ControlError): HyperNatError {
  return faults ? new OptionsError(faults) : new HyperNatError(code as ErrorCode, message)
}

/** A daemon that runs, with a connection to it: to be closed. */
export interface FoundDaemon {
  readonly who: Who
  readonly control: ControlClient
}

/** Which daemons. */
export interface DaemonChoice {
  /** Where their sockets are; left out: where this system has such things. */
  readonly control?: ControlSetting
  /** The options file that they run from. */
  readonly file?: string | undefined
  readonly pid?: number | undefined
}

/**
 * The daemons of this user that run, the oldest first. What crashed ones have left is removed.
 * @throws HyperNatError CONTROL_FAILED when the folder of their sockets cannot be read, or there is none but one that does not
 * answer; TOO_MANY_CONNECTIONS where that one has no place for more
 */
export async function findDaemons(
  { control, file, pid }: DaemonChoice = {},
  machine: Machine = thisMachine(),
  limits: ControlLimits = CONTROL_LIMITS
): Promise<FoundDaemon[]> {
  if (control === false) return []
  const folders = foldersOf(control, machine)
  const addresses = new Map<string, Folder>()
  for (const folder of folders) {
    for (const address of await addressesIn(folder, machine)) addresses.set(address, folder)
  }
  const wanted = file === undefined ? undefined : realFile(file)
  const found = await Promise.all(
    [...addresses].map(([address, folder]) => reach(address, folder, machine, limits))
  )
  const chosen: FoundDaemon[] = []
  const silent: SilentDaemon[] = []
  for (const one of found) {
    if (!one) continue
    if (!one.control) {
      if (pid === undefined || one.who.pid === pid) silent.push(one)
      continue
    }
    const fits =
      (wanted === undefined || isSameFile(one.who.file, wanted, machine)) &&
      (pid === undefined || one.who.pid === pid)
    if (fits) chosen.push(one)
    else one.control.close()
  }
  // It may be the one that was meant.
  if (chosen.length === 0 && silent.length > 0)
    throw silent.find(({ refusal }) => refusal)?.refusal ?? doesNotAnswer(silent.map(({ who }) => who.pid))
  return chosen.sort((a, b) => a.who.since - b.who.since)
}

/** One that listens, and says nothing, or that it has no place for more: of it only the number is known. */
interface SilentDaemon {
  readonly who: Pick<Who, 'pid'>
  readonly control: null
  readonly refusal?: HyperNatError
}

function doesNotAnswer(pids: readonly number[]): HyperNatError {
  const who =
    pids.length > 1
      ? `hyper-nat is running as processes ${pids.join(', ')}`
      : `hyper-nat is running as process ${pids[0]}`
  return new HyperNatError(
    'CONTROL_FAILED',
    `${who}, but does not answer: it has been paused, or is very busy. In a window of Windows press Enter; else end that process.`
  )
}

async function reach(
  address: string,
  folder: Folder,
  machine: Machine,
  limits: ControlLimits
): Promise<FoundDaemon | SilentDaemon | null> {
  let control: ControlClient
  try {
    control = await ControlClient.connect(address, limits)
  } catch (err) {
    const gone = machine.platform === 'win32' ? 'ENOENT' : 'ECONNREFUSED'
    if (codeOf(err) === gone) await clear(address, folder, machine).catch(() => {})
    return null
  }
  try {
    return { who: await control.ask('who', limits.whoMs), control }
  } catch (err) {
    // One that hangs up is about to end.
    const silent = control.isOpen
    control.close()
    const who = { pid: pidOf(address) }
    if (err instanceof HyperNatError && err.code === 'TOO_MANY_CONNECTIONS')
      return { who, control: null, refusal: err }
    return silent ? { who, control: null } : null
  }
}
