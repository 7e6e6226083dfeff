/** Quotes user input in a message: short, on one line, without control characters. */

/** Characters of a wrong value. */
const LONGEST = 60

/** Characters of a name with its quotation marks: all that a guest or a ticket may have. */
const LONGEST_NAME = 66

/** What does not print, or ends a line; a blank does neither. */
const UNPRINTABLE = /\p{C}|(?! )\p{Z}/gu

/**
 * A wrong text or number as JSON, cut to 60 characters, everything outside printable ASCII escaped, so that a letter that only
 * looks like another shows. What holds other values is only named: there may be a secret in it.
 */
export function quote(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  // JSON has neither these nor the numbers that are not finite.
  if (typeof value === 'bigint') return cut(`${value}n`, LONGEST)
  if (typeof value === 'number') return `${value}`
  return cut((JSON.stringify(value) ?? typeof value).replace(/[^\x20-\x7e]/g, escaped), LONGEST)
}

/** A name as its owner writes it, in quotation marks, what does not print escaped; cut to 66 characters. */
export function quoteName(name: string): string {
  return cut(JSON.stringify(name).replace(UNPRINTABLE, escaped), LONGEST_NAME)
}

function escaped(text: string): string {
  return text.replace(/[\s\S]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Cuts a text to a number of characters, between characters, not in them. */
export function cut(text: string, longest: number): string {
  const chars = [...text]
  return chars.length > longest ? `${chars.slice(0, longest - 2).join('')}..` : text
}

/** `a`, `a or b`, `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
