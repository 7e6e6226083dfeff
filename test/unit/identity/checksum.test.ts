// The promises of the checksum, proved of the code itself: they then hold for every text of up to 1023 symbols.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODE_SYMBOLS, checkSymbols, findSlip, isChecked } from '../../../src/identity/checksum.js'
import { Random } from '../../support/random.js'

/** Multiplication in GF(32) as bech32 defines it: polynomials modulo x^5 + x^3 + 1. */
function times(a: number, b: number): number {
  let result = 0
  for (let bit = 0; bit < 5; bit++) if ((b >> bit) & 1) result ^= a << bit
  for (let bit = 8; bit >= 5; bit--) if ((result >> bit) & 1) result ^= 0b101001 << (bit - 5)
  return result
}

function inverse(a: number): number {
  for (let b = 1; b < 32; b++) if (times(a, b) === 1) return b
  throw new Error('zero has no inverse')
}

/** The generator of BIP-173, x^6 first: what {@link checkSymbols} must divide by, written independently of it. */
const GENERATOR = [1, 29, 22, 20, 21, 29, 18]

/** Coefficients of x^n modulo the generator, for n from 0 to `most`. */
function powers(most: number): number[][] {
  const all = [[0, 0, 0, 0, 0, 1]]
  while (all.length <= most) {
    const [top, ...rest] = all.at(-1)! as [number, ...number[]]
    all.push([...rest, 0].map((value, i) => value ^ times(top, GENERATOR[i + 1]!)))
  }
  return all
}

const POWERS = powers(CODE_SYMBOLS)

/** The same for all multiples by a number: equal for two vectors exactly if one is a multiple of the other. */
function direction(vector: readonly number[]): string {
  const first = vector.find(value => value !== 0)
  assert.notEqual(first, undefined, 'not all zeros')
  const scale = inverse(first!)
  return vector.map(value => times(value, scale)).join()
}

test('the code is cyclic with length 1023', () => {
  const one = POWERS[0]!.join()
  assert.deepEqual(
    POWERS.flatMap((power, n) => (power.join() === one ? [n] : [])),
    [0, CODE_SYMBOLS]
  )
})

test('no one, two or three wrong symbols make a valid text', () => {
  const seen = new Map(POWERS.slice(0, -1).map((power, n) => [direction(power), n]))
  // Two errors cancel out only where one power is a multiple of another.
  assert.equal(seen.size, CODE_SYMBOLS)
  // Three: as the code is cyclic, the first of them may be taken to stand at position 0.
  let tried = 0
  for (let n = 1; n < CODE_SYMBOLS; n++) {
    for (let factor = 1; factor < 32; factor++) {
      const sum = POWERS[n]!.map((value, i) => times(value, factor) ^ POWERS[0]![i]!)
      assert.equal(seen.has(direction(sum)), false, `1, ${factor} at place ${n} and a third one`)
      tried++
    }
  }
  assert.equal(tried, 1022 * 31)
})

test('what is computed is that code', () => {
  // The checksum is affine: what one wrong symbol changes is its multiple of a power.
  const random = new Random()
  for (const size of [1, 3, 74, 1017]) {
    const symbols = Array.from({ length: size }, () => random.between(0, 31))
    const check = checkSymbols(symbols)
    assert.equal(isChecked([...symbols, ...check]), true)
    for (const at of [0, size >> 1, size - 1]) {
      const value = random.between(1, 31)
      const other = checkSymbols(symbols.map((symbol, i) => (i === at ? symbol ^ value : symbol)))
      const power = POWERS[size - 1 - at + 6]!
      assert.deepEqual(
        other.map((symbol, i) => symbol ^ check[i]!),
        power.map(one => times(one, value)),
        `seed ${random.seed}`
      )
    }
  }
})

test('the checksum of BIP-350', () => {
  // a1lqfn3a: the human-readable part "a" as BIP-173 expands it, and no data.
  const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
  assert.equal(
    checkSymbols([3, 0, 1])
      .map(value => alphabet[value])
      .join(''),
    'lqfn3a'
  )
})

test('leading zeros count', () => {
  assert.notDeepEqual(checkSymbols([0, 0, 5]), checkSymbols([0, 5]))
})

test('a single slip is found where it is', () => {
  const random = new Random()
  const symbols = Array.from({ length: 70 }, () => random.between(0, 31))
  const text = [...symbols, ...checkSymbols(symbols)]
  assert.equal(findSlip(text), undefined)
  for (let at = 0; at < text.length; at++) {
    const wrong = text.with(at, text[at]! ^ random.between(1, 31))
    assert.deepEqual(findSlip(wrong), { kind: 'wrong', at })
    if (at === 0 || text[at] === text[at - 1]) continue
    const swapped = text.with(at, text[at - 1]!).with(at - 1, text[at]!)
    assert.deepEqual(findSlip(swapped), { kind: 'swapped', at: at - 1 })
  }
})
