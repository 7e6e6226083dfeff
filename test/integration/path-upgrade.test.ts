/**
 * The step by which hyperdht takes a connection from a relay to a direct path, `changeRemote` at each end, under load and with the
 * ends moving up to 300 ms apart. `HYPER_NAT_UPGRADES=200` makes that many.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import UDX from 'udx-native'
import type UDXSocket from 'udx-native/lib/socket.js'
import type UDXStream from 'udx-native/lib/stream.js'
import { pause, until } from '../support/deadline.js'
import { Random } from '../support/random.js'

const LOOPBACK = '127.0.0.1'
const UPGRADES = Number(process.env.HYPER_NAT_UPGRADES ?? 10)
const AT_A_TIME = 5

/** How far apart the ends move, ms. */
const APART_MS = 300

/** A stream that nothing has come over for so long has stalled: a session would look for another connection. */
const STALLED_MS = 3000

/** What a relay takes for each packet, ms: those that were sent last arrive behind those of the direct path. */
const RELAY_MS = 15

/** Passes the packets of two ends on to each other. */
class Relay {
  #closed = false
  readonly #sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')] as const

  async open(ends: readonly [number, number]): Promise<readonly [number, number]> {
    for (const [i, socket] of this.#sockets.entries()) {
      socket.bind(0, LOOPBACK)
      await once(socket, 'listening')
      const other = this.#sockets[1 - i]!
      socket.on('message', packet =>
        setTimeout(() => {
          if (!this.#closed) other.send(packet, ends[1 - i]!, LOOPBACK)
        }, RELAY_MS)
      )
    }
    return [this.#sockets[0].address().port, this.#sockets[1].address().port]
  }

  close(): void {
    this.#closed = true
    for (const socket of this.#sockets) socket.close()
  }
}

const BLOCK = 4096
const TICK_MS = 5

class End {
  readonly udx = new UDX()
  readonly relayed: UDXSocket
  readonly direct: UDXSocket
  readonly stream: UDXStream
  readonly #pattern = randomBytes(65_521)
  sent = 0
  read = 0
  longest = 0
  #at = 0
  #timer: NodeJS.Timeout | undefined

  constructor(readonly id: number) {
    this.relayed = this.#socket()
    this.direct = this.#socket()
    this.stream = this.udx.createStream(id, { firewall: () => false })
    this.stream.on('error', () => {})
  }

  #socket(): UDXSocket {
    const socket = this.udx.createSocket()
    socket.bind(0, LOOPBACK)
    return socket
  }

  /** Writes 4 kB every 5 ms, and compares what the other end writes. */
  load(other: End): void {
    this.#at = performance.now()
    this.stream.on('data', (data: Buffer) => {
      const now = performance.now()
      this.longest = Math.max(this.longest, now - this.#at)
      this.#at = now
      for (let i = 0; i < data.length; ) {
        const expected = other.#piece(this.read, data.length - i)
        assert.ok(expected.equals(data.subarray(i, i + expected.length)), `other bytes from ${this.read} on`)
        this.read += expected.length
        i += expected.length
      }
    })
    this.#timer = setInterval(() => {
      const piece = this.#piece(this.sent, BLOCK)
      this.stream.write(piece)
      this.sent += piece.length
    }, TICK_MS)
  }

  /** Up to `size` bytes of what is sent, from here on: the same pattern over and over. */
  #piece(from: number, size: number): Buffer {
    const at = from % this.#pattern.length
    return this.#pattern.subarray(at, at + size)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async close(): Promise<void> {
    this.stop()
    this.stream.destroy()
    await Promise.all([this.relayed.close(), this.direct.close()])
  }
}

function portOf(socket: UDXSocket): number {
  return socket.address()!.port
}

/** One upgrade. @returns the longest time without a byte at either end, ms */
async function upgrade(apart: number, firstMover: 0 | 1): Promise<number> {
  const ends = [new End(1), new End(2)] as const
  const relay = new Relay()
  try {
    const ports = await relay.open([portOf(ends[0].relayed), portOf(ends[1].relayed)])
    for (const [i, end] of ends.entries())
      end.stream.connect(end.relayed, ends[1 - i]!.id, ports[i]!, LOOPBACK)
    for (const [i, end] of ends.entries()) end.load(ends[1 - i]!)
    await pause(150)
    for (const i of [firstMover, 1 - firstMover]) {
      const [end, other] = [ends[i]!, ends[1 - i]!]
      end.stream.changeRemote(end.direct, other.id, portOf(other.direct), LOOPBACK)?.catch(() => {})
      if (i === firstMover) await pause(apart)
    }
    await pause(400)
    for (const end of ends) end.stop()
    await until(STALLED_MS, 'all bytes', () => ends.every((end, i) => end.read === ends[1 - i]!.sent)).catch(
      () => {}
    )
    for (const [i, end] of ends.entries()) {
      if (end.read !== ends[1 - i]!.sent) return Number.POSITIVE_INFINITY
    }
    return Math.max(...ends.map(({ longest }) => longest))
  } finally {
    await Promise.all(ends.map(end => end.close()))
    relay.close()
  }
}

test(`${UPGRADES} connections move from a relay to a direct path at both ends, up to ${APART_MS} ms apart, and none stalls`, {
  timeout: 30_000 + UPGRADES * 2000
}, async t => {
  const random = new Random()
  const silences: number[] = []
  for (let done = 0; done < UPGRADES; done += AT_A_TIME) {
    const some = Array.from({ length: Math.min(AT_A_TIME, UPGRADES - done) }, () =>
      upgrade(random.between(0, APART_MS), random.between(0, 1) as 0 | 1)
    )
    silences.push(...(await Promise.all(some)))
  }
  silences.sort((a, b) => a - b)
  const [median, most] = [silences[silences.length >> 1]!, silences.at(-1)!]
  t.diagnostic(`longest silence: median ${median.toFixed(0)} ms, most ${most.toFixed(0)} ms`)
  assert.ok(most < STALLED_MS, `${silences.filter(ms => ms >= STALLED_MS).length} stalled`)
})
