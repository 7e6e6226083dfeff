/** How a wrong value is shown in a message: short, on one line, in ASCII, whatever the console. */

const LONGEST = 60

/**
 * A text or number as JSON, cut to 60 characters, everything outside printable ASCII escaped. What holds other values is
 * only named: there may be a secret in it.
 */
export function quote(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const json = JSON.stringify(value) ?? typeof value
  const ascii = json.replace(/[^\x20-\x7e]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return ascii.length > LONGEST ? `${ascii.slice(0, LONGEST - 2)}..` : ascii
}

/** `a`, `a or b`, `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
