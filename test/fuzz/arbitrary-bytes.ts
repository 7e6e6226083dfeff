/** Bytes as a hostile or broken peer may send them: anything, and valid messages that went wrong. */
import b4a from 'b4a'
import fc from 'fast-check'
import { cases } from '../support/quick.js'

/** Cases per decoder, over all its tests: what SPEC's readers are asked for in CI. */
export const CASES = cases(100_000)

/** How a valid message goes wrong. */
type Damage =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'set'; readonly at: number; readonly value: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'drop'; readonly at: number }
  | { readonly kind: 'double'; readonly at: number; readonly size: number }

const position = fc.nat(0xffff)

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: position, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant('set' as const),
    at: position,
    value: fc.constantFrom(0, 1, 2, 0x0f, 0x10, 0x11, 0x12, 0x14, 0x7f, 0x80, 0xff)
  }),
  fc.record({ kind: fc.constant('cut' as const), at: position }),
  fc.record({ kind: fc.constant('drop' as const), at: position }),
  fc.record({ kind: fc.constant('double' as const), at: position, size: fc.nat(20) })
)

function damaged(bytes: Uint8Array, damages: readonly Damage[]): Uint8Array {
  let result: Uint8Array = b4a.from(bytes)
  for (const one of damages) {
    if (result.byteLength === 0) return result
    const at = one.at % result.byteLength
    if (one.kind === 'flip') result[at]! ^= 1 << one.bit
    else if (one.kind === 'set') result[at] = one.value
    else if (one.kind === 'cut') result = result.subarray(0, at)
    else if (one.kind === 'drop') result = b4a.concat([result.subarray(0, at), result.subarray(at + 1)])
    else result = b4a.concat([result.subarray(0, at + one.size), result.subarray(at)])
  }
  return result
}

/** Valid ones, one behind the other, then damaged in up to four places; or nothing valid at all. */
export function broken(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.array(valid, { minLength: 1, maxLength: 4 }), fc.array(damage, { maxLength: 4 }))
        .map(([parts, damages]) => damaged(b4a.concat(parts), damages))
    }
  )
}

/** Numbers as they stand on the wire, the borders of a varint more often. */
export const number = fc.oneof(
  fc.nat(300),
  fc.constantFrom(127, 128, 2 ** 14, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
  fc.maxSafeNat()
)
