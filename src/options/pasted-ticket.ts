/** Finds a ticket in a message that was pasted as a whole. */

import { decodeTicket } from '../identity/ticket.js'

/** Words that a ticket may have been broken into, by a line break of a chat for example. */
const PIECES_MAX = 40

/**
 * The ticket in a text: `Join me: hnat1.. see you!`. Its checksum tells where it ends.
 * @returns the text from the ticket on where nothing in it can be decoded, so that the fault is that of the ticket
 */
export function ticketIn(text: string): string {
  const start = text.search(/hnat\d/i)
  if (start < 0) return text
  const rest = text.slice(start)
  const pieces = rest.split(/\s+/).slice(0, PIECES_MAX)
  for (let count = 1; count <= pieces.length; count++) {
    const candidate = pieces
      .slice(0, count)
      .join('')
      .replace(/[^a-z0-9]+$/i, '')
    if (isTicket(candidate)) return candidate
  }
  return rest
}

function isTicket(text: string): boolean {
  try {
    decodeTicket(text)
    return true
  } catch {
    return false
  }
}
