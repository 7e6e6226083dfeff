import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { Reader, varintSize, Writer, writeVarint } from '../../../src/wire/bytes.js'
import { isProtocolError } from './protocol-error.js'

const VARINTS: readonly [number, string][] = [
  [0, '00'],
  [1, '01'],
  [127, '7f'],
  [128, '8001'],
  [255, 'ff01'],
  [300, 'ac02'],
  [2 ** 14 - 1, 'ff7f'],
  [2 ** 14, '808001'],
  [2 ** 31 - 1, 'ffffffff07'],
  [2 ** 31, '8080808008'],
  [2 ** 32 - 1, 'ffffffff0f'],
  [2 ** 32, '8080808010'],
  [2 ** 49 - 1, 'ffffffffffff7f'],
  [2 ** 49, '8080808080808001'],
  [2 ** 53 - 1, 'ffffffffffffff0f']
]

for (const [value, bytes] of VARINTS) {
  test(`${value} is ${bytes} as a varint`, () => {
    const out = b4a.alloc(9, 0xaa)
    const end = writeVarint(out, 1, value)
    assert.equal(b4a.toString(out.subarray(1, end), 'hex'), bytes)
    assert.equal(out[0], 0xaa)
    assert.equal(varintSize(value), end - 1)
    const reader = new Reader(b4a.from(bytes, 'hex'))
    assert.equal(reader.varint(), value)
    assert.equal(reader.left, 0)
    for (let cut = 0; cut < bytes.length / 2; cut++) {
      assert.throws(() => new Reader(b4a.from(bytes, 'hex'), 0, cut).varint(), isProtocolError)
    }
  })
}

for (const bytes of ['8080808080808010', 'ffffffffffffff7f', 'ffffffffffffffff01', '808080808080808001']) {
  test(`${bytes} is too large for a varint`, () => {
    assert.throws(() => new Reader(b4a.from(bytes, 'hex')).varint(), isProtocolError)
  })
}

test('any number up to 2^53 - 1 comes back', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      const bytes = new Writer().varint(value).take()
      assert.equal(bytes.byteLength, varintSize(value))
      assert.equal(new Reader(bytes).varint(), value)
    }),
    { numRuns: 5000 }
  )
})

test('a reader keeps within its bounds', () => {
  const buffer = b4a.from('000102030405', 'hex')
  const reader = new Reader(buffer, 1, 4)
  assert.deepEqual([...reader.slice(2).rest()], [1, 2])
  assert.throws(() => reader.bytes(2), isProtocolError)
  assert.throws(() => reader.slice(2), isProtocolError)
  assert.throws(() => reader.done(), isProtocolError)
  assert.deepEqual([...reader.rest()], [3])
  reader.done()
  assert.throws(() => reader.byte(), isProtocolError)
})

test('a text that is too long is cut by its writer and refused by its reader', () => {
  const bytes = new Writer().text('abcdef', 4).take()
  assert.equal(b4a.toString(bytes, 'hex'), '0461626364')
  assert.equal(new Reader(bytes).text(4), 'abcd')
  assert.throws(() => new Reader(bytes).text(3), isProtocolError)
})

test('a writer grows over its first buffer', () => {
  const writer = new Writer()
  for (let i = 0; i < 100; i++)
    writer
      .byte(i)
      .bytes(b4a.alloc(99, i))
      .varint(2 ** 53 - 1)
  const reader = new Reader(writer.take())
  for (let i = 0; i < 100; i++) {
    assert.equal(reader.byte(), i)
    assert.ok(reader.bytes(99).every(byte => byte === i))
    assert.equal(reader.varint(), 2 ** 53 - 1)
  }
  reader.done()
})
