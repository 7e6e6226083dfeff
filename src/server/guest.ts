/** One guest's session with its UDP conversations. A client that runs on two devices is here twice. */
import type { Grant } from '../access/access.js'
import type { PathKind } from '../events.js'
import { UdpFlows } from '../flows/udp.js'
import { encodeKey, shortKey } from '../identity/encoding.js'
import { FULL_REST_MS, type Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import type { ServerSearch, ToldAddresses } from '../network/ipv6/search.js'
import type { StreamLink } from '../network/stream-link.js'
import type { ServerSession } from '../session/server-session.js'
import type { KeyUsage } from '../sockets/key-usage.js'
import type { UdpTarget } from '../sockets/udp-target.js'
import { Budget } from '../util/budget.js'
import type { Clock } from '../util/clock.js'

/** One UDP flow, and the number of its map. */
export interface UdpConversation {
  readonly map: number
  readonly target: Pick<UdpTarget, 'send' | 'close'>
}

export class Guest {
  readonly udp: UdpFlows<number, UdpConversation>
  /** Datagrams that wait for the addresses of targets. */
  readonly waiting: Budget
  link: StreamLink | null = null
  /** The path before, when {@link link} took over from a connection that still worked. */
  was: PathKind | undefined
  /** Answers the guest's search for an IPv6 path beside {@link link}. */
  search: ServerSearch | null = null
  readonly toldAddresses: ToldAddresses = { last: null }
  /** Kept, since it costs more to make than a datagram to drop. */
  readonly #shortKey: string
  /** In base58; kept, since it costs as much as all else that opens a flow of this process. */
  readonly publicKey: string

  constructor(
    readonly session: ServerSession,
    readonly key: Uint8Array,
    /** The loopback address that stands for it. */
    readonly address: string,
    /** Who it is. */
    public grant: Grant,
    /** When the session began, milliseconds since 1970. */
    readonly since: number,
    /** What its key uses of this process. */
    readonly usage: KeyUsage,
    limits: Pick<Limits, 'udpFlows' | 'udpEvictMs' | 'udpIdleSeconds' | 'resolveBytes'>,
    log: Log,
    clock: Pick<Clock, 'now'>
  ) {
    this.publicKey = encodeKey(key)
    this.#shortKey = shortKey(this.publicKey)
    this.waiting = new Budget(limits.resolveBytes, usage.memory)
    const full = new LogThrottle(clock, FULL_REST_MS)
    this.udp = new UdpFlows(limits, (flow, { target }, cause) => {
      target.close()
      if (cause === 'full') {
        const level = full.admits('full') ? 'warn' : 'debug'
        log[level]({ peer: this.label, flow }, 'too many UDP flows: the one idle longest made room')
      }
    })
  }

  /** What logs call it. */
  get label(): string {
    return this.grant.name ?? this.#shortKey
  }
}
