/** The body of ROSTER: who else is connected to the server. SPEC.md, "Roster". */
import { protocolError, type Reader, type Writer } from './bytes.js'
import { MAX_ROSTER, MAX_ROSTER_NAME } from './constants.js'

/** Another guest of the same server. */
export interface RosterGuest {
  /** As the server's owner calls the guest; empty for a guest without a name. */
  readonly name: string
  /** Round trip to the server in whole milliseconds; null while it is not known. */
  readonly rtt: number | null
}

/** @param guests those beyond {@link MAX_ROSTER} are left out */
export function writeRoster(writer: Writer, guests: readonly RosterGuest[]): Writer {
  const shown = guests.slice(0, MAX_ROSTER)
  writer.varint(shown.length)
  for (const { name, rtt } of shown) writer.text(name, MAX_ROSTER_NAME).varint(rtt === null ? 0 : rtt + 1)
  return writer
}

export function readRoster(body: Reader): RosterGuest[] {
  const count = body.varint()
  if (count > MAX_ROSTER) throw protocolError('too many guests')
  const guests: RosterGuest[] = []
  for (let i = 0; i < count; i++) {
    // A name is shown to people: nothing in it does more than print.
    const name = body.text(MAX_ROSTER_NAME).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
    const rtt = body.varint()
    guests.push({ name, rtt: rtt === 0 ? null : rtt - 1 })
  }
  return guests
}
