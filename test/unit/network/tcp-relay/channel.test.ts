// What waits for a TCP connection, and for how long.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type WebSocket from 'ws'
import { Channel } from '../../../../src/network/tcp-relay/channel.js'
import * as frames from '../../../../src/network/tcp-relay/frames.js'
import { Budget } from '../../../../src/util/budget.js'
import { TokenBucket } from '../../../../src/util/token-bucket.js'
import { VirtualClock } from '../../../sim/support/virtual-clock.js'

/** A WebSocket that takes everything. */
class Socket extends EventEmitter {
  bufferedAmount = 0
  terminated = false
  paused = false
  readonly sent: Buffer[] = []

  send(message: Buffer): void {
    this.sent.push(message)
  }

  close(): void {}

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  terminate(): void {
    this.terminated = true
  }

  /** Numbers of the packets that were sent. */
  get packets(): number[] {
    const numbers: number[] = []
    for (const message of this.sent) {
      frames.readMessage(message, { packet: socket => numbers.push(socket), bound() {} })
    }
    return numbers
  }
}

const PAYLOAD = 1000
const FRAME = PAYLOAD + frames.FRAME_HEAD + frames.PACKET_HEAD
/** Packets that may be under way before anything is known of a path: what fits into 32 kB, in messages of two. */
const FIRST = 2 * Math.ceil((32 * 1024) / (2 * FRAME))

function scene(held = new Budget(Number.POSITIVE_INFINITY), rate: TokenBucket | null = null) {
  const clock = new VirtualClock()
  const ws = new Socket()
  const channel = new Channel(ws as unknown as WebSocket, clock, { closed() {} }, held, rate)
  const send = async (from: number, count: number): Promise<void> => {
    for (let i = from; i < from + count; i++)
      channel.sendPacket(frames.packet(i, 1, 1, Buffer.alloc(PAYLOAD, 1)))
    await turn()
  }
  const pass = (ms: number): void => {
    clock.at(clock.now() + ms, () => {})
    clock.run(clock.now() + ms)
  }
  const arrived = (packets: number): boolean => ws.emit('message', frames.received(packets * FRAME), true)
  return { clock, ws, channel, held, send, pass, arrived }
}

test('what is beyond the window waits, and goes in its order when there is room', async () => {
  const { ws, channel, send, pass, arrived } = scene()
  await send(0, FIRST + 10)
  assert.deepEqual(ws.packets, [...Array(FIRST).keys()])
  assert.equal(channel.waiting, 10 * FRAME)
  pass(49)
  arrived(FIRST)
  assert.deepEqual(ws.packets, [...Array(FIRST + 10).keys()])
  assert.deepEqual([channel.waiting, channel.dropped], [0, 0])
})

test('a packet that has waited for more than 50 ms is dropped, and a younger one is sent', async () => {
  const { ws, channel, send, pass, arrived } = scene()
  await send(0, FIRST + 10)
  pass(30)
  await send(500, 5)
  pass(21)
  arrived(FIRST)
  assert.equal(channel.dropped, 10)
  assert.deepEqual(ws.packets.slice(FIRST), [500, 501, 502, 503, 504])
})

test('of more than 256 kB the oldest are dropped', async () => {
  const { ws, channel, send, arrived } = scene()
  await send(0, FIRST)
  const fitting = Math.floor((256 * 1024) / FRAME)
  await send(1000, fitting + 7)
  assert.equal(channel.dropped, 7)
  arrived(FIRST)
  assert.equal(ws.packets[FIRST], 1007)
})

test('frames other than packets go though the window is full', async () => {
  const { ws, channel, send } = scene()
  await send(0, FIRST + 1)
  const { length } = ws.sent
  channel.send(frames.bound(1, 2))
  await turn()
  assert.deepEqual(ws.sent.slice(length), [frames.bound(1, 2)])
})

test('a side that reads nothing and makes us answer is given up', async () => {
  const { ws, channel, send } = scene()
  await send(0, FIRST)
  ws.bufferedAmount = FIRST * FRAME + 256 * 1024
  channel.send(frames.bound(1, 2))
  assert.ok(channel.isOpen, 'packets that are under way do not count')
  ws.bufferedAmount++
  channel.send(frames.bound(1, 2))
  assert.ok(!channel.isOpen && ws.terminated)
})

test('a budget pays for what waits and what is under way, and gets it back', async () => {
  const { channel, held, send, pass, arrived } = scene()
  await send(0, FIRST + 10)
  assert.equal(held.used, (FIRST + 10) * FRAME)
  arrived(10)
  assert.equal(held.used, FIRST * FRAME)
  pass(51)
  await send(1000, 1)
  arrived(FIRST)
  await turn()
  assert.ok(held.used < FIRST * FRAME && held.used > 0)
  channel.terminate()
  assert.equal(held.used, 0)
})

test('without a budget left a connection has a little', async () => {
  const { channel, held, send } = scene(new Budget(0))
  await send(0, 200)
  assert.ok(channel.dropped > 100)
  assert.ok(held.used >= 64 * 1024 && held.used < 64 * 1024 + 2 * FRAME, `${held.used} bytes`)
})

test('of frames that come too fast, packets are dropped, and no more is read for a while', () => {
  const { ws, channel, pass } = scene(undefined, new TokenBucket(1, 100))
  let packets = 0
  channel.events = { closed() {}, packet: () => packets++, close() {} }
  const say = (frame: Buffer, count: number): boolean =>
    ws.emit('message', Buffer.concat(Array(count).fill(frame)), true)
  const packet = frames.packet(1, 1, 1, Buffer.alloc(1))
  say(packet, 50)
  assert.deepEqual([packets, ws.paused], [50, false])
  say(packet, 5000)
  assert.deepEqual([packets, channel.dropped, ws.paused], [151, 4899, true])
  pass(200)
  assert.ok(ws.paused)
  pass(2)
  assert.ok(!ws.paused)
  const pings = (count: number): void => {
    for (let i = 0; i < count; i++) ws.emit('ping')
  }
  for (const flood of [() => say(frames.close(1), 200) && say(frames.close(1), 1), () => pings(101)]) {
    pass(1000)
    flood()
    assert.ok(ws.paused)
  }
  channel.close(frames.CLOSE.ending)
  assert.ok(!ws.paused, 'the answer to the close frame is read')
})
