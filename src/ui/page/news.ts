/** What changes between two views that somebody wants to hear of who does not look at the page. */
import type { GuestView, View } from '../wire.js'

/** How things are, for the title and the icon of the window. */
export type Condition = 'idle' | 'waiting' | 'live' | 'gone'

/** Who is connected, on either side: guests who are here, and hosts that were joined. */
export function connectedIn({ servers, clients }: View): number {
  const guests = servers.flatMap(server => server.guests.filter(isHere))
  return guests.length + clients.filter(isConnected).length
}

export function conditionOf(view: View): Condition {
  if (connectedIn(view) > 0) return 'live'
  return view.servers.length + view.clients.length > 0 ? 'waiting' : 'idle'
}

/** `Anna has joined Minecraft`, `The connection to Minecraft was lost`. */
export function newsOf(before: View, after: View): string[] {
  const joined = after.servers.flatMap(server => {
    const known = before.servers.find(({ publicKey }) => publicKey === server.publicKey)
    // Those of a server that was not there are no news: the page has just been opened, or it has just begun.
    const here = new Set(known?.guests.filter(isHere).map(whoOf))
    const came = known ? server.guests.filter(guest => isHere(guest) && !here.has(whoOf(guest))) : []
    return came.map(guest => `${whoOf(guest)} has joined ${server.names.join(', ') || 'your server'}`)
  })
  const lost = before.clients.filter(isConnected).flatMap(client => {
    const now = after.clients.find(({ publicKey }) => publicKey === client.publicKey)
    const title = [...new Set(client.addresses.flatMap(({ name }) => name ?? []))].join(', ') || 'a friend'
    return now && !isConnected(now) ? [`The connection to ${title} was lost`] : []
  })
  return [...joined, ...lost]
}

function whoOf({ name, key }: Pick<GuestView, 'name' | 'key'>): string {
  return name ?? `Guest ${key}`
}

function isHere({ sessions }: Pick<GuestView, 'sessions'>): boolean {
  return sessions.some(({ state }) => state === 'up')
}

function isConnected({ sessions }: Pick<View['clients'][number], 'sessions'>): boolean {
  return sessions.some(({ state }) => state === 'up')
}
