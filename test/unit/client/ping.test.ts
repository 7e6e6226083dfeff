import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ping } from '../../../src/client/ping.js'
import type { DaemonEvent } from '../../../src/events.js'
import { encodeKey } from '../../../src/identity/encoding.js'

const KEY = new Uint8Array(32).fill(7)

/** A node whose server answers at once, after as many ms as the ping's number. */
function answering() {
  let hear = (_: DaemonEvent): void => {}
  let asked = 0
  const handle = {
    connection: { host: 'h', path: 'direct' },
    ping: async () => ++asked,
    close: async () => {}
  }
  return {
    on(_: 'event', listener: (event: DaemonEvent) => void) {
      hear = listener
    },
    off() {},
    open: async () => {
      queueMicrotask(() =>
        hear({
          event: 'connected',
          publicKey: encodeKey(KEY),
          peer: encodeKey(KEY),
          path: 'direct',
          host: 'h'
        })
      )
      return handle as never
    }
  }
}

test('as many pings as anybody may ask for are summed up', async t => {
  // Two days of them in a second.
  const { setTimeout: real } = globalThis
  t.after(() => {
    globalThis.setTimeout = real
  })
  globalThis.setTimeout = ((run: () => void) => {
    queueMicrotask(run)
    return { unref() {}, ref() {} }
  }) as never
  const count = 200_000
  const { sent, answered, min, max } = await ping(answering(), { publicKey: KEY, count })
  assert.deepEqual([sent, answered, min, max], [count, count, 1, count])
})

test('pings that are stopped end at once', async () => {
  const end = new AbortController()
  const from = performance.now()
  const { sent } = await ping(answering(), {
    publicKey: KEY,
    intervalMs: 60_000,
    signal: end.signal,
    onanswer: () => end.abort()
  })
  assert.equal(sent, 1)
  assert.ok(performance.now() - from < 5000)
})

test('an error of the program that takes the answers ends the pings, and is theirs', async () => {
  const mistake = new Error('a mistake')
  let calls = 0
  const pings = ping(answering(), {
    publicKey: KEY,
    intervalMs: 0,
    onanswer() {
      calls++
      throw mistake
    }
  })
  await assert.rejects(pings, mistake)
  assert.equal(calls, 1)
})
