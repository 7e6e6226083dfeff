/** Every payload from 0 to 65,507 bytes, packed for every path and put together again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { Reassembly } from '../../../src/datagrams/reassembly.js'
import { LIMITS } from '../../../src/limits.js'
import { Packer, readRecords } from '../../../src/wire/records.js'
import { Random } from '../../sim/support/random.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

function payloadOf(size: number, seed: number): Uint8Array {
  const payload = b4a.alloc(size)
  for (let i = 0; i < size; i++) payload[i] = (i * 7 + (i >> 8) * 3 + seed) & 255
  return payload
}

/** Packs payloads, checks the datagrams' size, and hands them over in an order of choice. */
function carry(
  size: number,
  payloads: readonly Uint8Array[],
  order: (datagrams: Uint8Array[]) => Uint8Array[] = same,
  flow = 1000
): Uint8Array[] {
  const datagrams: Uint8Array[] = []
  const packer = new Packer(
    () => size,
    plain => {
      assert.ok(plain.byteLength <= size, `a datagram of ${plain.byteLength} bytes where ${size} fit`)
      datagrams.push(b4a.from(plain))
    }
  )
  for (const payload of payloads) assert.equal(packer.udp(3, flow, payload), true)
  packer.flush()
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  const got: Uint8Array[] = []
  for (const plain of order(datagrams)) {
    readRecords(plain, {
      ping: () => assert.fail(),
      pong: () => assert.fail(),
      segment: () => assert.fail(),
      game: () => assert.fail(),
      udp: (map, from, payload) => {
        assert.deepEqual([map, from], [3, flow])
        got.push(b4a.from(payload))
      },
      fragment: fragment => {
        const whole = reassembly.add(fragment)
        if (whole) got.push(whole)
      }
    })
  }
  assert.equal(reassembly.bytes, 0)
  return got
}

const same = (datagrams: Uint8Array[]): Uint8Array[] => datagrams

function assertSame(got: readonly Uint8Array[], wanted: readonly Uint8Array[]): void {
  assert.equal(got.length, wanted.length)
  for (const [i, payload] of wanted.entries()) assert.ok(b4a.equals(got[i]!, payload), `payload ${i} differs`)
}

test('payloads around every border of one, two and three pieces', () => {
  for (const size of [576, 1152, 1176, 1428, 1456, 2004]) {
    for (const pieces of [1, 2, 3]) {
      for (let payload = size * pieces - 60; payload < size * pieces + 5; payload++) {
        const wanted = [payloadOf(payload, pieces)]
        assertSame(carry(size, wanted), wanted)
      }
    }
  }
})

test('payloads of all sizes on paths of all sizes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 700, max: 2004 }),
      fc.array(fc.integer({ min: 0, max: 65_507 }), { minLength: 1, maxLength: 4 }),
      (size, sizes) => {
        const wanted = sizes.map(payloadOf)
        assertSame(carry(size, wanted), wanted)
      }
    ),
    { numRuns: 300 }
  )
})

test('datagrams in any order', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 8 }),
      (seed, sizes) => {
        const random = new Random(seed)
        const shuffle = (datagrams: Uint8Array[]): Uint8Array[] => {
          for (let i = datagrams.length - 1; i > 0; i--) {
            const j = random.int(0, i)
            ;[datagrams[i], datagrams[j]] = [datagrams[j]!, datagrams[i]!]
          }
          return datagrams
        }
        const wanted = sizes.map(payloadOf)
        const key = (payload: Uint8Array): string => b4a.toString(payload, 'base64')
        assert.deepEqual(carry(1176, wanted, shuffle).map(key).sort(), wanted.map(key).sort())
      }
    ),
    { numRuns: 200 }
  )
})

test('a flow with a large number does not make datagrams too large', () => {
  for (const flow of [2 ** 28, 2 ** 35, 2 ** 53 - 1]) {
    for (let length = 2300; length < 2400; length++) {
      const wanted = [payloadOf(length, 1)]
      assertSame(carry(1176, wanted, same, flow), wanted)
    }
  }
})

test('a path wider than any', () => {
  for (const size of [2500, 4096, 9000]) {
    const wanted = [1000, 1400, 2300, 100, 8000, 65_000].map(payloadOf)
    assertSame(carry(size, wanted), wanted)
  }
})
