/**
 * Decides how packets travel: by UDP, or through a relay by TCP where UDP gets no answer.
 *
 *                   answer                          every minute: answer
 *     checking ----------------> udp <---------------------------------- tcp
 *        |                        |                                       ^
 *        | no answer              | trouble, and no answer                | a relay has welcomed us
 *        +------> blocked <-------+                                       |
 *                   |  ^ still no answer, after a pause                   |
 *                   +--+--------------------------------------------------+
 */

import type { Limits } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { Clock, Timer } from '../../util/clock.js'
import { type ConnectionLimits, RelayConnection } from './connection.js'
import { distinctRelays } from './relay-address.js'
import type { RelayedUdx, ServerAddress } from './relayed-udx.js'
import { isUdpAnswered } from './udp-probe.js'

export type FallbackState = 'checking' | 'udp' | 'blocked' | 'tcp'

/**
 * What has changed for those who send: `tcp` and `udp`, packets take another way; `server`, a server with a relay of its own can be
 * reached; `ports`, they still go by TCP, but from other ports: the relay was restarted, or another one has taken its place.
 */
export type FallbackChange = 'tcp' | 'udp' | 'server' | 'ports'

export interface FallbackParts {
  readonly udx: RelayedUdx
  /** Addresses of relays, the preferred first. */
  readonly relays: readonly string[]
  /** DHT nodes to try UDP with. */
  readonly nodes: () => readonly { host: string; port: number }[]
  readonly clock: Clock
  readonly limits: ConnectionLimits & Pick<Limits, 'udpSilentMs' | 'udpBlockedMs' | 'udpRetryMs'>
  readonly log: Log
  readonly onchange: (change: FallbackChange) => void
  /** Takes the place of {@link isUdpAnswered} in tests. */
  readonly probe?: typeof isUdpAnswered
}

/** Of the time for an answer, what passes before a relay is connected to, in case that none comes. */
const EARLY_SHARE = 0.4

/** Between two looks whether it has been decided, ms. */
const DECIDED_LOOK_MS = 50

/** After a check, trouble is no reason for another one for so long, ms. */
const CHECK_REST_MS = 1000

/** Between two looks whether the connection to a relay is still in use, once UDP works again, ms. */
const UNUSED_LOOK_MS = 1000

export class Fallback {
  readonly #parts: FallbackParts
  readonly #connections: RelayConnection[] = []
  #state: FallbackState = 'checking'
  #probing: AbortController | null = null
  #timer: Timer | null = null
  #early: Timer | null = null
  #checkedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(parts: FallbackParts) {
    this.#parts = parts
  }

  get state(): FallbackState {
    return this.#state
  }

  /** The relay that packets go through; null for UDP. */
  get relay(): RelayConnection | null {
    return this.#parts.udx.route
  }

  /** Addresses that lead to servers with a relay of their own, while UDP does not lead anywhere. */
  get servers(): readonly ServerAddress[] {
    return this.#state === 'udp' ? [] : this.#parts.udx.serverAddresses
  }

  /** Relays that are connected to, or are tried. */
  get relays(): readonly RelayConnection[] {
    return this.#connections
  }

  /** Resolves when it is known whether UDP works and, where it does not, whether a relay does; in bounded time. */
  async decided(ms: number): Promise<void> {
    const { clock } = this.#parts
    const end = clock.now() + ms
    const open = (): boolean =>
      this.#state === 'checking' ||
      (this.#state === 'blocked' && this.#connections.some(({ isUp, refusal }) => !isUp && refusal === null))
    while (this.#parts.relays.length > 0 && open() && !this.#closed && clock.now() < end) {
      await new Promise<void>(resolve => clock.after(DECIDED_LOOK_MS, resolve))
    }
  }

  start(): void {
    if (this.#parts.relays.length > 0) void this.#check()
  }

  /** Something is wrong with the network: finds out whether it is UDP. */
  check(): void {
    if (this.#parts.relays.length === 0 || this.#closed) return
    const rested = this.#parts.clock.now() - this.#checkedAt > CHECK_REST_MS
    if (rested && (this.#state === 'udp' || this.#state === 'tcp')) void this.#check()
  }

  /** The network has changed. */
  restart(): void {
    for (const connection of this.#connections) connection.retry()
    // Also where UDP was blocked: otherwise the next relay that accepts us would be used for a while, though UDP may work.
    if (this.#state === 'blocked') void this.#check()
    else this.check()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#early?.cancel()
    this.#probing?.abort()
    for (const connection of this.#connections.splice(0)) {
      this.#parts.udx.drop(connection)
      connection.close()
    }
  }

  async #check(): Promise<void> {
    if (this.#closed || this.#probing) return
    const { nodes, clock, limits, probe = isUdpAnswered } = this.#parts
    const probing = new AbortController()
    this.#probing = probing
    this.#timer?.cancel()
    if (this.#state !== 'tcp') {
      this.#early = clock.after(limits.udpSilentMs * EARLY_SHARE, () => this.#connect())
    }
    const answered = await probe(nodes(), limits.udpSilentMs, probing.signal)
    this.#early?.cancel()
    this.#probing = null
    this.#checkedAt = clock.now()
    if (this.#closed) return
    if (answered) {
      this.#become('udp')
      return this.#leaveSoon(clock.now())
    }
    if (this.#state !== 'tcp') this.#become('blocked')
    const { udpRetryMs, udpBlockedMs } = limits
    this.#timer = clock.after(this.#state === 'tcp' ? udpRetryMs : udpBlockedMs, () => this.#check())
  }

  #become(state: FallbackState): void {
    const { udx, log, onchange } = this.#parts
    const before = this.#state
    this.#state = state
    if (state === 'blocked') {
      this.#connect()
      this.#settle()
    } else if (state === 'udp' && before === 'tcp') {
      udx.route = null
      log.info('UDP works again')
      onchange('udp')
    }
  }

  /** Connects to all relays: what one leads to is not known before. */
  #connect(): void {
    const { udx, relays, clock, limits, log } = this.#parts
    if (this.#closed || this.#connections.length > 0) return
    for (const address of distinctRelays(relays)) {
      const connection = new RelayConnection(address, clock, limits, log)
      this.#connections.push(connection)
      udx.use(connection, what => this.#onConnection(connection, what))
      connection.start()
    }
  }

  #onConnection(connection: RelayConnection, what: 'up' | 'ports' | 'down'): void {
    const { udx, onchange } = this.#parts
    if (what === 'ports') {
      if (udx.route === connection) onchange('ports')
    } else if (what === 'up') {
      if (connection.kind === 'server' && this.#state !== 'udp') onchange('server')
      this.#settle()
    } else this.#settle()
  }

  /** Takes a relay if UDP is blocked, and another one when that is gone. */
  #settle(): void {
    const { udx, log, clock, limits, onchange } = this.#parts
    if (this.#state !== 'blocked' && this.#state !== 'tcp') return
    if (udx.route?.isUp) return
    const best = this.#connections.find(({ isUp, kind }) => isUp && kind === 'network')
    if (!best) return
    const isFirst = this.#state === 'blocked'
    this.#state = 'tcp'
    udx.route = best
    log.info({ relay: best.address.url }, 'UDP gets no answer here: packets go through a relay by TCP')
    if (isFirst) {
      this.#timer?.cancel()
      this.#timer = clock.after(limits.udpRetryMs, () => this.#check())
    }
    onchange(isFirst ? 'tcp' : 'ports')
  }

  /** Ends connections to relays once no stream goes through them, and asks for that every minute. */
  #leaveSoon(asked: number): void {
    const { udx, clock, limits, onchange } = this.#parts
    if (this.#closed || this.#state !== 'udp') return
    for (const connection of [...this.#connections]) {
      if (udx.uses(connection)) continue
      this.#connections.splice(this.#connections.indexOf(connection), 1)
      udx.drop(connection)
      connection.close()
    }
    if (this.#connections.length === 0) return
    const late = clock.now() - asked > limits.udpRetryMs
    if (late) onchange('udp')
    this.#timer?.cancel()
    this.#timer = clock.after(UNUSED_LOOK_MS, () => this.#leaveSoon(late ? clock.now() : asked))
  }
}
