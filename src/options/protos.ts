/** Protocols as written: one, or several for the same port joined by `+`. */

import { isProto, PROTOS, type Proto } from '../proto.js'
import { guess } from '../text/guess.js'
import { oneOf, quote } from '../text/quote.js'

/** What a protocol looks like, for editors: it matches whatever {@link parseProtos}, the judge, accepts. */
export const PROTOS_PATTERN = /^(udp|tcp|tcpudp)(\+(udp|tcp|tcpudp))*$/

const EXPECTED = `a protocol is ${oneOf(PROTOS.map(proto => `"${proto}"`))}, or several joined by "+" such as "tcp+udp"`

/** Reads `udp`, `tcp+udp`, ..; a fault is the rest of a sentence. */
export function parseProtos(
  value: unknown
): { readonly protos: readonly Proto[] } | { readonly fault: string } {
  if (typeof value !== 'string') return { fault: `is ${quote(value)}; ${EXPECTED}` }
  if (value === '') return { fault: `is empty; ${EXPECTED}` }
  if (/[\s,]/.test(value)) {
    return {
      fault: `is ${quote(value)}, a list; one entry has one protocol, or several joined by "+" such as "tcp+udp"`
    }
  }
  const protos: Proto[] = []
  for (const word of value.split('+')) {
    if (!isProto(word)) {
      const meant = guess(word, PROTOS, {})
      return {
        fault: `has ${quote(word)}, which is no protocol; ${meant ? `did you mean "${meant}"? ` : ''}${EXPECTED}`
      }
    }
    if (protos.includes(word)) return { fault: `is ${quote(value)}, which names ${word} twice` }
    protos.push(word)
  }
  return { protos }
}
