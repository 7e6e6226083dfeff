/** What changes between two views that matter to people who look elsewhere. */
import type { GuestView, View } from '../wire.js'
import { clientTitle, guestTitle, isUp } from './text.js'

/** How things are, for the title and the icon of the window. */
export type Condition = 'idle' | 'live' | 'gone'

/** Who is connected, on either side: guests who are here, and hosts that were joined. */
export function connectedIn({ servers, clients }: View): number {
  const guests = servers.flatMap(server => server.guests.filter(isUp))
  return guests.length + clients.filter(isUp).length
}

export function conditionOf(view: View): Condition {
  return connectedIn(view) > 0 ? 'live' : 'idle'
}

/** `Anna has joined Minecraft`, `The connection to Minecraft was lost`. */
export function newsOf(before: View, after: View): string[] {
  const joined = after.servers.flatMap(server => {
    const known = before.servers.find(({ publicKey }) => publicKey === server.publicKey)
    // Those of a server that was not there are no news: the page has just been opened, or it has just begun.
    // A guest who was renamed keeps the session; a guest with a new session keeps the name.
    const marks = (guest: GuestView): string[] => [guestTitle(guest), ...guest.sessions.map(({ id }) => id)]
    const here = new Set(known?.guests.filter(isUp).flatMap(marks))
    const came = known
      ? server.guests.filter(guest => isUp(guest) && !marks(guest).some(mark => here.has(mark)))
      : []
    return came.map(guest => `${guestTitle(guest)} has joined ${server.names.join(', ') || 'your server'}`)
  })
  const lost = before.clients.filter(isUp).flatMap(client => {
    const now = after.clients.find(({ publicKey }) => publicKey === client.publicKey)
    return now && !isUp(now) ? [`The connection to ${clientTitle(client) ?? 'a friend'} was lost`] : []
  })
  return [...joined, ...lost]
}
