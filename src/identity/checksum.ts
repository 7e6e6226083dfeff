/**
 * The checksum of tickets: six characters over GF(32) that detect up to three wrong characters in a text, and so any single typo and
 * any two characters that changed places, however far apart.
 *
 * It is the code of bech32m (BIP-173 and BIP-350): a BCH code of distance 4 for up to 1023 characters. The code is independent of the
 * alphabet, so it works for z-base-32 as it does for bech32's own. The constant of bech32m, in place of bech32's 1, detects
 * characters that are inserted before the end.
 */

/** Characters that the checksum takes. */
export const CHECK_SYMBOLS = 6

/** Most characters, checksum included, for which this holds: the order of the code. */
export const CODE_SYMBOLS = 1023

/** x^6 times 1, 2, 4, 8 and 16, each modulo the code's generator; six coefficients of five bits (BIP-173). */
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const

/** Remainder of every valid text (BIP-350). */
const VALID = 0x2bc830a3

/** Values of a symbol: 5 bits. */
const VALUES = 32

/** Appends one symbol: multiplies the remainder by x, and adds. */
function step(left: number, symbol: number): number {
  const top = left >>> 25
  let next = ((left & 0x1ffffff) << 5) ^ symbol
  for (let bit = 0; bit < GENERATOR.length; bit++) if ((top >>> bit) & 1) next ^= GENERATOR[bit]!
  return next
}

/** Remainder of the symbols, each from 0 to 31, modulo the generator; starts with 1, so that leading zeros count. */
function leftOf(symbols: readonly number[]): number {
  return symbols.reduce(step, 1)
}

/** The six symbols to put behind `symbols`. */
export function checkSymbols(symbols: readonly number[]): number[] {
  const none = new Array<number>(CHECK_SYMBOLS).fill(0)
  const left = leftOf([...symbols, ...none]) ^ VALID
  return none.map((_, i) => (left >>> (5 * (CHECK_SYMBOLS - 1 - i))) & (VALUES - 1))
}

/** True if the last six symbols are those that belong to the others. */
export function isChecked(symbols: readonly number[]): boolean {
  return leftOf(symbols) === VALID
}

/** A typo that would explain a wrong text: one wrong symbol, or two neighbours that changed places. */
export type Slip = { readonly kind: 'wrong' | 'swapped'; readonly at: number }

/**
 * Finds the one typo that turned a valid text into this one. For several typos it finds none, or rarely a wrong one: use it to point
 * at the place, not to correct the text.
 */
export function findSlip(symbols: readonly number[]): Slip | undefined {
  const left = leftOf(symbols) ^ VALID
  if (left === 0) return undefined
  // What a symbol that is off by `value` adds, `behind` symbols from the end; and the same one place further on.
  let adds = Array.from({ length: VALUES }, (_, value) => value)
  let further: number[] | undefined
  for (let at = symbols.length - 1; at >= 0; at--) {
    if (adds.indexOf(left, 1) > 0) return { kind: 'wrong', at }
    const difference = further ? symbols[at]! ^ symbols[at + 1]! : 0
    if (difference !== 0 && (adds[difference]! ^ further![difference]!) === left)
      return { kind: 'swapped', at }
    further = adds
    adds = adds.map(add => step(add, 0))
  }
  return undefined
}
