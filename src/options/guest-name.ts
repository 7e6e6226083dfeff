/** Names of guests: they are hashed, printed, and typed again on a command line. */

/** Characters of a name at the most. */
const LONGEST = 64

/**
 * Letters that show nothing, such as the fillers of Hangul and the empty Braille pattern, with which two names look the same. The
 * selectors behind an emoji are how keyboards write it.
 */
const INVISIBLE = /(?![\uFE0E\uFE0F])\p{DI}|(?<!\p{Emoji})[\uFE0E\uFE0F]|\u2800/u

/** What is wrong with a name, as the rest of a sentence. */
export function guestNameFault(name: string): string | undefined {
  if (name === '') return 'is empty; it is what you call the guest'
  if (name.length > LONGEST) return `has ${name.length} characters; a name has ${LONGEST} at the most`
  if (/\p{C}|\p{Zl}|\p{Zp}/u.test(name) || INVISIBLE.test(name))
    return 'has characters that do not print; take them out'
  if (name !== name.trim()) return 'begins or ends with a blank; take it out'
  // Two spellings of one letter would be two guests.
  if (name !== name.normalize('NFC')) return 'has letters made of several characters; type it again'
  return undefined
}
