/** Finds a ticket in a message that was pasted as a whole. */

import { decodeTicket } from '../identity/ticket.js'

/** Words that a ticket may have been broken into, by a line break of a chat for example. */
const PIECES_MAX = 40

/** Beginnings of tickets that are tried. */
const STARTS_MAX = 10

/** What messages break a ticket with: blanks, the marks of a quoted line, and characters that show nothing. */
const BREAK = /[\s>\p{Cf}]+/u

/** Punctuation after a ticket. The length is bounded: otherwise a long row of dots would be searched again from each dot. */
const BEHIND = /[^a-z0-9]{1,16}$/i

/**
 * The ticket in a text: `Join me: hnat1.. see you!`. Its checksum tells where it ends.
 * @returns where nothing can be decoded, the text from the last beginning of a ticket on, so that the fault is that of the ticket
 */
export function ticketIn(text: string): string {
  // A message may say how a ticket begins, or hold one that was cut off, before the ticket itself.
  const starts = [...text.matchAll(/hnat\d/gi)].slice(0, STARTS_MAX).map(({ index }) => text.slice(index))
  return starts.map(ticketAt).find(found => found !== undefined) ?? starts.at(-1) ?? text
}

function ticketAt(text: string): string | undefined {
  const pieces = text.split(BREAK, PIECES_MAX)
  for (let count = 1; count <= pieces.length; count++) {
    const candidate = pieces.slice(0, count).join('').replace(BEHIND, '')
    if (isTicket(candidate)) return candidate
  }
  return undefined
}

function isTicket(text: string): boolean {
  try {
    decodeTicket(text)
    return true
  } catch {
    return false
  }
}
