/** The server's side of a session: admits the flows that the guest opens, and names the port maps that it may use. */
import type { ErrorCode } from '../errors.js'
import type { ByteFlow, Carrier } from '../flows/byte-flow.js'
import { protocolError } from '../wire/bytes.js'
import { FEATURE } from '../wire/constants.js'
import { mapsFrame, rosterFrame } from '../wire/frames.js'
import type { WireMap } from '../wire/handshake.js'
import type { RosterGuest } from '../wire/roster.js'
import { Session, type SessionDeps, type SessionEvents } from './session.js'

export interface ServerSessionEvents extends SessionEvents {
  /** The client opens a TCP connection over this carrier; returns an error code to refuse it. */
  open(flow: ByteFlow, carrier: Carrier): ErrorCode | null
}

export class ServerSession extends Session {
  constructor(
    id: Uint8Array,
    deps: SessionDeps,
    override readonly events: ServerSessionEvents
  ) {
    super('server', id, deps, events)
  }

  /**
   * Sends the port maps that the client may use from now on.
   * @returns false when the client does not understand that: the next handshake names them
   */
  sendMaps(maps: readonly WireMap[]): boolean {
    if (!this.link) return true
    if (!this.has(FEATURE.MAPS)) return false
    this.control(mapsFrame(maps))
    return true
  }

  /** Says who else is connected. A guest who does not know the frame skips it; one who is slow to read gets the next one. */
  sendRoster(guests: readonly RosterGuest[]): void {
    if (this.link && !this.isBehind) this.control(rosterFrame(guests))
  }

  /** A port map is gone: its TCP flows are reset, on both sides. */
  resetMap(map: number, code: ErrorCode): void {
    this.flows.reset(code, flow => flow.map === map)
  }

  protected override admit(flow: ByteFlow, carrier: Carrier): ErrorCode | null {
    const { rateLimiter } = this.deps
    if (!rateLimiter) return this.events.open(flow, carrier)
    return rateLimiter.open(flow, limited => this.events.open(limited, carrier))
  }

  protected override onMaps(): void {
    throw protocolError('port maps from a client')
  }
}
