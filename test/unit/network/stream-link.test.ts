import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import type SecretStream from '@hyperswarm/secret-stream'
import { LIMITS } from '../../../src/limits.js'
import { StreamLink } from '../../../src/network/stream-link.js'

/** A stream on which nothing is acknowledged. */
class Stuck extends EventEmitter {
  readonly rawStream = Object.assign(new EventEmitter(), {
    mtu: 1200,
    rtt: 20,
    inflight: 0,
    cwnd: 500,
    retransmits: 0,
    bbrBandwidth: 12_500_000,
    remoteHost: '11.0.0.1',
    remoteFamily: 4,
    bytesReceived: 0,
    packetsReceived: 0
  })
  destroyedWith: Error | undefined
  /** Bytes of each message. */
  readonly messages: number[] = []

  destroy(err?: Error): void {
    this.destroyedWith = err
  }

  alloc(size: number): Uint8Array {
    return new Uint8Array(size)
  }

  write(message: Uint8Array): void {
    this.messages.push(message.byteLength)
  }

  flush(): Promise<boolean> {
    return new Promise(() => {})
  }
}

function full(stuck: Stuck): StreamLink {
  const link = new StreamLink(stuck as unknown as SecretStream, LIMITS)
  for (let room = link.room(); room > 0; room = link.room()) link.write(new Uint8Array(room))
  return link
}

test('a stream takes no more than what is in flight and a few milliseconds more', () => {
  const stuck = new Stuck()
  const link = full(stuck)
  assert.ok(link.room() <= 0)
  stuck.rawStream.inflight = 100_000
  assert.equal(link.room(), 100_000)
})

test('a stream that sends packets again takes as much as may have arrived behind a gap, and does not run dry', () => {
  const stuck = new Stuck()
  const link = full(stuck)
  stuck.rawStream.retransmits++
  assert.equal(link.room(), 2 * 500 * 1200)
  link.setCwndCap(10_000)
  assert.ok(link.room() <= 0, 'beside a game the cap holds')
})

test('an address is judged once, however often a flow asks for the path; another one is judged anew', t => {
  const stuck = new Stuck()
  const raw = stuck.rawStream
  const checks = t.mock.method(net.BlockList.prototype, 'check')
  const link = new StreamLink(stuck as unknown as SecretStream, LIMITS)
  const known = checks.mock.callCount()
  for (let i = 0; i < 100; i++) assert.deepEqual([link.path, link.reach], ['direct', 'public'])
  assert.equal(checks.mock.callCount(), known)
  for (const [host, path, reach] of [
    ['192.168.1.2', 'lan', 'private'],
    ['127.0.0.1', 'lan', 'machine'],
    ['::1', 'lan', 'machine'],
    ['11.0.0.1', 'direct', 'public']
  ] as const) {
    raw.remoteHost = host
    assert.deepEqual([link.path, link.reach], [path, reach], host)
  }
})

test('a stream of which much arrives behind a gap is ended, with a code', () => {
  const stuck = new Stuck()
  const raw = stuck.rawStream
  const link = new StreamLink(stuck as unknown as SecretStream, LIMITS)
  raw.bytesReceived += 200_000
  link.checkGap()
  raw.emit('message', Buffer.alloc(1000))
  raw.bytesReceived += 1000
  stuck.emit('data', Buffer.alloc(100_000))
  raw.bytesReceived += 100_000
  link.checkGap()
  assert.equal(stuck.destroyedWith, undefined)
  raw.bytesReceived += 1_000_000
  link.checkGap()
  assert.equal((stuck.destroyedWith as unknown as { code: string }).code, 'PROTOCOL_ERROR')
})

test('an empty message follows what is not acknowledged, at growing intervals, until that is over or more is written', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const stuck = new Stuck()
  const raw = stuck.rawStream
  const link = new StreamLink(stuck as unknown as SecretStream, LIMITS)
  const after = (ms: number): number[] => {
    // One at a time: what is armed meanwhile counts from the end of a tick.
    for (let i = 0; i < ms; i++) t.mock.timers.tick(1)
    return stuck.messages.splice(0)
  }
  link.write(new Uint8Array(100))
  raw.inflight = 100
  assert.deepEqual(after(79), [100], 'four round trips of 20 ms are not over')
  assert.deepEqual(after(1), [0])
  assert.deepEqual(after(159), [])
  assert.deepEqual(after(1), [0])
  assert.deepEqual(after(319), [])
  link.write(new Uint8Array(50))
  assert.deepEqual(after(80), [50], 'what is new shows as much')
  assert.deepEqual(after(1), [0])
  raw.inflight = 0
  assert.deepEqual(after(10_000), [])
  raw.rtt = 0
  link.write(new Uint8Array(10))
  raw.inflight = 10
  assert.deepEqual(after(80), [10, 0, 0, 0], 'of which the first comes after 10 ms')
  link.destroy()
  assert.deepEqual(after(10_000), [])
})
