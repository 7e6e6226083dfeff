import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '../../../src/errors.js'
import { MessagePacer, type Position } from '../../../src/network/message-pacer.js'

/** A message as secret-stream writes it, behind its length. */
function framed(content: Uint8Array): Buffer {
  const length = Buffer.alloc(3)
  length.writeUIntLE(content.byteLength, 0, 3)
  return Buffer.concat([length, content])
}

/** `count` messages of `size` bytes, which begin with their number. */
function numbered(count: number, size: number, from = 0): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      const content = Buffer.alloc(size)
      content.writeUInt32LE(from + i)
      return framed(content)
    })
  )
}

/** A pacer over a decoder as plain as can be, and turns that begin when the test says so. */
function scene() {
  let bytes = Buffer.alloc(0)
  let turn: (() => void) | null = null
  const found = { messages: [] as Buffer[], ended: 0, error: null as Error | null }
  const pacer = new MessagePacer(
    {
      position: (): Position => {
        const known = Math.min(bytes.byteLength, 3)
        const length = known > 0 ? bytes.readUIntLE(0, known) : 0
        if (known < 3) return { length, weight: 256 ** known }
        return { missing: 3 + length - bytes.byteLength }
      },
      isDestroyed: () => found.error !== null,
      read: data => {
        bytes = Buffer.concat([bytes, data])
        while (bytes.byteLength >= 3 && bytes.byteLength >= 3 + bytes.readUIntLE(0, 3)) {
          const end = 3 + bytes.readUIntLE(0, 3)
          found.messages.push(bytes.subarray(3, end))
          bytes = bytes.subarray(end)
        }
      },
      end: () => found.ended++,
      destroy: err => {
        found.error = err
      }
    },
    callback => {
      assert.equal(turn, null)
      turn = callback
    }
  )
  /** Begins the next turn. Returns whether one was waited for. */
  const next = (): boolean => {
    const callback = turn
    turn = null
    callback?.()
    return callback !== null
  }
  return { pacer, found, next }
}

const numbersOf = (messages: readonly Buffer[]): number[] => messages.map(message => message.readUInt32LE())
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('a few messages are read at once, without another turn', () => {
  const { pacer, found, next } = scene()
  pacer.push(numbered(8, 20))
  assert.deepEqual(numbersOf(found.messages), upTo(8))
  assert.equal(next(), false)
})

test('64 messages are read in a turn, however their bytes are split', () => {
  const bytes = numbered(200, 5)
  for (const piece of [bytes.byteLength, 1, 2, 3, 7, 8, 9, 500]) {
    const { pacer, found, next } = scene()
    for (let at = 0; at < bytes.byteLength; at += piece) pacer.push(bytes.subarray(at, at + piece))
    const turns = [found.messages.length]
    while (next()) turns.push(found.messages.length)
    assert.deepEqual(turns.slice(0, 4), [64, 128, 192, 200], `pieces of ${piece}`)
    assert.deepEqual(numbersOf(found.messages), upTo(200))
    assert.equal(pacer.waitingBytes, 0)
  }
})

test('messages split at every byte arrive whole, empty and long ones, too', () => {
  const contents = [0, 1, 255, 0, 256, 300, 4].map(size => Buffer.alloc(size, size))
  const bytes = Buffer.concat(contents.map(framed))
  for (let at = 0; at <= bytes.byteLength; at++) {
    const { pacer, found, next } = scene()
    pacer.push(bytes.subarray(0, at))
    if (at % 2 > 0) next()
    pacer.push(bytes.subarray(at))
    assert.deepEqual(found.messages, contents, `split at ${at}`)
  }
})

test('nothing is read while it is held; then it is read a turn at a time', () => {
  const { pacer, found, next } = scene()
  pacer.hold()
  const bytes = numbered(100, 4)
  pacer.push(bytes)
  assert.equal(next(), true)
  assert.equal(next(), false)
  assert.deepEqual([found.messages.length, pacer.waitingBytes], [0, bytes.byteLength])
  pacer.release()
  assert.equal(found.messages.length, 0)
  next()
  assert.equal(found.messages.length, 64)
  pacer.hold()
  next()
  assert.equal(found.messages.length, 64)
  pacer.release()
  next()
  assert.deepEqual(numbersOf(found.messages), upTo(100))
})

test('the end comes behind what waits, and nothing is held from then on', () => {
  const { pacer, found, next } = scene()
  pacer.hold()
  pacer.push(numbered(100, 4))
  pacer.end()
  pacer.hold()
  next()
  assert.deepEqual([found.messages.length, found.ended], [64, 0])
  next()
  assert.deepEqual([found.messages.length, found.ended], [100, 1])
  assert.equal(next(), false)
})

test('the end comes at once where nothing waits', () => {
  const { pacer, found } = scene()
  pacer.push(numbered(1, 4))
  pacer.end()
  assert.equal(found.ended, 1)
})

test('beyond 1 MB long messages are read at once, also while they are held', () => {
  const { pacer, found } = scene()
  pacer.hold()
  const long = numbered(1, 64 * 1024)
  for (let i = 0; i < 40; i++) {
    pacer.push(long)
    assert.ok(pacer.waitingBytes <= 1 << 20, `${pacer.waitingBytes} bytes`)
  }
  assert.ok(found.messages.length >= 24)
  assert.equal(found.error, null)
})

test('beyond 1 MB of short messages the stream ends, and what waits is dropped', () => {
  const { pacer, found, next } = scene()
  pacer.hold()
  const short = numbered(1000, 100)
  for (let i = 0; i < 11; i++) {
    if (found.error === null) pacer.push(short)
  }
  assert.equal(codeOf(found.error), 'TOO_FAST')
  const { length } = found.messages
  pacer.release()
  next()
  assert.deepEqual([found.messages.length, pacer.waitingBytes], [length, 0])
})

test('what is ignored is dropped, and nothing holds up the end from then on', () => {
  const { pacer, found, next } = scene()
  pacer.hold()
  pacer.push(numbered(100, 4))
  pacer.ignore()
  pacer.hold()
  pacer.push(numbered(50, 4, 100))
  pacer.end()
  next()
  assert.deepEqual([found.messages.length, found.ended], [0, 1])
})
