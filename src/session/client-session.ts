/** The client's side of a session: opens flows, and learns which port maps the server shares. */
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { ByteFlow } from '../flows/byte-flow.js'
import type { TcpFlow } from '../flows/tcp.js'
import { protocolError } from '../wire/bytes.js'
import { readMaps, type WireMap } from '../wire/handshake.js'
import { type RosterGuest, readRoster } from '../wire/roster.js'
import { LatestFrame } from './latest-frame.js'
import { type Attachment, Session, type SessionDeps, type SessionEvents } from './session.js'

export interface ClientSessionEvents extends SessionEvents {
  /** The server shares other port maps from now on. */
  maps(maps: readonly WireMap[]): void
}

export class ClientSession extends Session {
  /** Who else is connected to the server, as it said last; empty where it does not say. */
  roster: readonly RosterGuest[] = []
  readonly #maps: LatestFrame
  readonly #rosters: LatestFrame

  constructor(
    id: Uint8Array,
    deps: SessionDeps,
    override readonly events: ClientSessionEvents
  ) {
    super('client', id, deps, events)
    const latest = (read: LatestFrame['read']): LatestFrame =>
      new LatestFrame(deps.clock, deps.limits.listMs, read, run => this.guard(run))
    this.#maps = latest(body => this.events.maps(readMaps(body)))
    this.#rosters = latest(body => {
      this.roster = readRoster(body)
    })
  }

  override attach(attachment: Attachment): void {
    // WELCOME has named the maps since.
    this.#maps.clear()
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

  protected override onMaps(content: Uint8Array): void {
    this.#maps.add(content)
  }

  protected override onRoster(content: Uint8Array): void {
    this.#rosters.add(content)
  }

  protected override onEnd(): void {
    this.#maps.clear()
    this.#rosters.clear()
  }
}
