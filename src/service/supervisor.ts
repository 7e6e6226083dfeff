/**
 * Tells systemd how the daemon is: ready, alive, being stopped. Node has no datagram sockets of the Unix kind, so systemd's own
 * program is started for each word: at the start, at the end, and twice in each time of the watchdog.
 */
import { execFile } from 'node:child_process'
import { NOTIFY_MS } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Clock, Timer } from '../util/clock.js'

/** Sends words to systemd; rejects when that is not possible. */
export type SendToSystemd = (words: readonly string[]) => Promise<void>

type Environment = Readonly<Record<string, string | undefined>>

export class Supervisor {
  readonly #watchdogMs: number
  readonly #send: SendToSystemd
  readonly #clock: Clock
  readonly #log: Log
  #timer: Timer | null = null
  #last: Promise<void> = Promise.resolve()
  #failed = false
  #ready = false
  /** It is about to end, whatever else comes to an end meanwhile. */
  #stopping = false

  /** @param watchdogMs the time within which systemd expects a message; 0 for never */
  constructor(watchdogMs: number, send: SendToSystemd, clock: Clock, log: Log) {
    this.#watchdogMs = watchdogMs
    this.#send = send
    this.#clock = clock
    this.#log = log
  }

  /** It can be used. */
  ready(): void {
    if (this.#ready || this.#stopping) return
    this.#ready = true
    this.#tell('READY=1')
    if (this.#watchdogMs > 0 && !this.#timer) this.#arm()
  }

  /** The options are read again; followed by {@link ready}. */
  reloading(): void {
    if (this.#stopping) return
    this.#ready = false
    this.#tell('RELOADING=1')
  }

  /** Reports that the process is about to end; resolves when that is sent. */
  stopping(): Promise<void> {
    this.#stopping = true
    this.#timer?.cancel()
    this.#timer = null
    this.#tell('STOPPING=1')
    return this.#last
  }

  /** A process that hangs does not come here, and systemd restarts it. */
  #arm(): void {
    this.#timer = this.#clock.after(this.#watchdogMs / 2, () => {
      this.#tell('WATCHDOG=1')
      this.#arm()
    })
  }

  /** One after the other: their order is their meaning. */
  #tell(word: string): void {
    this.#last = this.#last
      .then(() => this.#send([word]))
      .catch((err: unknown) => {
        if (this.#failed) return
        this.#failed = true
        this.#log.warn({ err }, 'systemd cannot be told how it goes; is systemd-notify installed?')
      })
  }
}

/**
 * The supervisor of this process; null where none is set.
 * @param env as systemd set it
 * @param pid of this process
 */
export function supervisorOf(env: Environment, pid: number, clock: Clock, log: Log): Supervisor | null {
  if (!env.NOTIFY_SOCKET) return null
  return new Supervisor(watchdogMs(env, pid), words => systemdNotify(words), clock, log)
}

/** Milliseconds; 0 where it is off, or meant for another process. */
export function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: Environment, pid: number): number {
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== pid) return 0
  const ms = Number(WATCHDOG_USEC ?? 0) / 1000
  return Number.isFinite(ms) ? ms : 0
}

function systemdNotify(words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', [...words], { timeout: NOTIFY_MS }, err => (err ? reject(err) : resolve()))
  })
}
