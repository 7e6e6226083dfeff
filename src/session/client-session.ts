/** The client's side of a session: opens flows, and learns which port maps the server shares. */
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { ByteFlow } from '../flows/byte-flow.js'
import type { TcpFlow } from '../flows/tcp.js'
import type { Timer } from '../util/clock.js'
import { protocolError } from '../wire/bytes.js'
import type { WireMap } from '../wire/handshake.js'
import type { RosterGuest } from '../wire/roster.js'
import { type Attachment, Session, type SessionDeps, type SessionEvents } from './session.js'

export interface ClientSessionEvents extends SessionEvents {
  /** The server shares other port maps from now on. */
  maps(maps: readonly WireMap[]): void
}

export class ClientSession extends Session {
  /** Who else is connected to the server, as it said last; empty where it does not say. */
  roster: readonly RosterGuest[] = []
  /** The last list of port maps that the owner has not got. */
  #latestMaps: readonly WireMap[] | null = null
  /** Armed by a list that the owner got. */
  #mapsTimer: Timer | null = null

  constructor(
    id: Uint8Array,
    deps: SessionDeps,
    override readonly events: ClientSessionEvents
  ) {
    super('client', id, deps, events)
  }

  override attach(attachment: Attachment): void {
    // WELCOME has named the maps since.
    this.#forgetMaps()
    super.attach(attachment)
  }

  /**
   * Opens a TCP flow on the server's port map `map`, over what carries its protocol best now. Bytes may be written at once; without a
   * connection they wait for the next one.
   * @throws HyperNatError TOO_MANY_FLOWS, SESSION_EXPIRED
   */
  connect(map: number, proto: 'tcp' | 'tcpudp'): ByteFlow {
    const carrier = proto === 'tcpudp' ? 'arq' : this.tcpCarrier
    if (carrier === 'stream') return this.openFlow(map)
    this.#checkState()
    return this.flows.tcpudp.open(map)
  }

  /**
   * The same over the ordered stream.
   * @throws HyperNatError TOO_MANY_FLOWS, SESSION_EXPIRED
   */
  openFlow(map: number): TcpFlow {
    this.#checkState()
    return this.flows.tcp.open(map)
  }

  /**
   * Resets the flows that were opened since something was last received from the server. Their programs may try again elsewhere, and the server has
   * not said that it knows of them.
   */
  resetUnconfirmed(): void {
    const { receivedAt } = this
    this.flows.reset('CONNECTION_LOST', flow => flow.openedAt > receivedAt)
  }

  #checkState(): void {
    if (this.state === 'ended') throw new HyperNatError('SESSION_EXPIRED', 'The session is over.')
  }

  protected override admit(): ErrorCode {
    throw protocolError('a flow opened by the server')
  }

  /** However many lists a server sends, the owner gets one at a time, the latest. */
  protected override onMaps(maps: readonly WireMap[]): void {
    this.#latestMaps = maps
    if (this.#mapsTimer) return
    this.#tellMaps()
  }

  #tellMaps(): void {
    const maps = this.#latestMaps
    this.#mapsTimer = null
    if (!maps || this.state !== 'up') return
    this.#latestMaps = null
    this.#mapsTimer = this.deps.clock.after(this.deps.limits.mapsMs, () => this.#tellMaps())
    this.events.maps(maps)
  }

  protected override onRoster(guests: readonly RosterGuest[]): void {
    this.roster = guests
  }

  protected override onEnd(): void {
    this.#forgetMaps()
  }

  #forgetMaps(): void {
    this.#mapsTimer?.cancel()
    this.#mapsTimer = null
    this.#latestMaps = null
  }
}
