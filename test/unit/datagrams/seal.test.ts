import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { Opener, Sealer } from '../../../src/datagrams/seal.js'
import { REPLAY_WINDOW, SEAL_BYTES } from '../../../src/wire/constants.js'

const KEY = b4a.from([...Array(32).keys()])
const hex = (bytes: Uint8Array): string => b4a.toString(bytes, 'hex')

/** The opened content, or why there is none; leaves the packet as it is. */
function open(opener: Opener, sealed: Uint8Array): string {
  const plain = opener.open(b4a.from(sealed))
  return typeof plain === 'string' ? plain : `plain ${b4a.toString(plain, 'utf8')}`
}

test('a sealed datagram is these bytes', () => {
  // From an independent implementation: OpenSSL's chacha20-poly1305.
  const sealed = new Sealer(KEY).seal(b4a.from('hyper-nat'))
  assert.equal(hex(sealed), '000000000000000070c13254dfcbc8b067ae02b43bc2924fd1ad2556b401bcc059')
  assert.equal(open(new Opener(KEY), sealed), 'plain hyper-nat')
})

test('a counter of five bytes is little endian in the nonce', () => {
  const sealed = b4a.from('0504030201000000dd821d3be401e16d4f66b5a500be5a0f6a66be88f683cc1066', 'hex')
  assert.equal(open(new Opener(KEY), sealed), 'plain hyper-nat')
})

test('OpenSSL opens what we seal, and no counter comes twice', () => {
  const sealer = new Sealer(KEY)
  for (let counter = 0; counter < 300; counter++) {
    const sealed = sealer.seal(b4a.from(`payload ${counter}`))
    assert.equal(new DataView(sealed.buffer, sealed.byteOffset).getBigUint64(0, true), BigInt(counter))
    const nonce = b4a.concat([sealed.subarray(0, 8), b4a.alloc(4)])
    const decipher = createDecipheriv('chacha20-poly1305', KEY, nonce, { authTagLength: 16 })
    decipher.setAuthTag(sealed.subarray(-16))
    const plain = b4a.concat([decipher.update(sealed.subarray(8, -16)), decipher.final()])
    assert.equal(b4a.toString(plain, 'utf8'), `payload ${counter}`)
  }
})

test('an empty datagram opens', () => {
  assert.equal(open(new Opener(KEY), new Sealer(KEY).seal(b4a.alloc(0))), 'plain ')
})

test('each flipped bit is seen, and moves nothing', () => {
  const sealed = new Sealer(KEY).seal(b4a.from('hyper-nat'))
  const opener = new Opener(KEY)
  for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
    const flipped = b4a.from(sealed)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.equal(open(opener, flipped), 'forged', `bit ${bit}`)
  }
  // Had a forged counter moved the window, the true one would be too old now.
  assert.equal(open(opener, sealed), 'plain hyper-nat')
})

test('cut anywhere, it is dropped', () => {
  const sealed = new Sealer(KEY).seal(b4a.from('hyper-nat'))
  const opener = new Opener(KEY)
  for (let cut = 0; cut < sealed.byteLength; cut++) {
    assert.equal(open(opener, sealed.subarray(0, cut)), cut < SEAL_BYTES ? 'short' : 'forged')
  }
})

test('under another key it is dropped', () => {
  const other = b4a.from(KEY)
  other[31]! ^= 1
  assert.equal(open(new Opener(other), new Sealer(KEY).seal(b4a.from('x'))), 'forged')
})

test('a copy is dropped', () => {
  const opener = new Opener(KEY)
  const sealed = new Sealer(KEY).seal(b4a.from('x'))
  assert.equal(open(opener, sealed), 'plain x')
  assert.equal(open(opener, sealed), 'replayed')
})

test('late ones are taken within the window, and not behind it', () => {
  const sealer = new Sealer(KEY)
  const sealed = Array.from({ length: REPLAY_WINDOW + 2 }, (_, i) => sealer.seal(b4a.from(String(i))))
  const opener = new Opener(KEY)
  assert.equal(open(opener, sealed.at(-1)!), `plain ${REPLAY_WINDOW + 1}`)
  assert.equal(open(opener, sealed[2]!), 'plain 2')
  assert.equal(open(opener, sealed[2]!), 'replayed')
  assert.equal(open(opener, sealed[1]!), 'replayed')
  assert.equal(open(opener, sealed[0]!), 'replayed')
})

test('in any order each is taken once', () => {
  const sealer = new Sealer(KEY)
  const sealed = Array.from({ length: 200 }, (_, i) => sealer.seal(b4a.from(String(i))))
  fc.assert(
    fc.property(fc.array(fc.nat(199), { maxLength: 400 }), order => {
      const opener = new Opener(KEY)
      const taken = new Set<number>()
      for (const i of order) {
        assert.equal(open(opener, sealed[i]!), taken.has(i) ? 'replayed' : `plain ${i}`)
        taken.add(i)
      }
    }),
    { numRuns: 200 }
  )
})
