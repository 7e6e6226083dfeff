/** What a segment costs, without crypto and sockets: `ARQ_BENCH=1 node --test .../arq-benchmark.test.js`. */
import { test } from 'node:test'
import { Arq, type ArqHost } from '../../src/flows/arq/index.js'
import { Random } from './support/random.js'

const DELAY = 5
const TOTAL = 300e6

/** Datagrams under way in one direction, without the cost of an event queue. */
class Pipe {
  private readonly times: number[] = []
  private readonly buffers: Buffer[] = []
  private readonly free: Buffer[] = []
  private readonly random = new Random(1)
  segments = 0

  constructor(private readonly loss: number) {}

  put(bytes: Uint8Array, now: number): void {
    this.segments++
    if (this.random.chance(this.loss)) return
    const whole = this.free.pop() ?? Buffer.allocUnsafe(1500)
    whole.set(bytes, 2)
    whole.writeUInt16LE(bytes.length, 0)
    this.times.push(now)
    this.buffers.push(whole)
  }

  deliver(arq: Arq, now: number): void {
    let i = 0
    for (; i < this.times.length && this.times[i]! <= now - DELAY; i++) {
      const whole = this.buffers[i]!
      // The dearest way: an update after each datagram, so that acks are as many as they can be.
      arq.input(whole.subarray(2, 2 + whole.readUInt16LE(0)), now)
      arq.update(now)
      this.free.push(whole)
    }
    this.times.splice(0, i)
    this.buffers.splice(0, i)
    if (arq.nextUpdate() <= now) arq.update(now)
  }
}

for (const loss of [0, 0.02]) {
  test(`cost of a segment at ${loss * 100} % loss`, {
    skip: process.env.ARQ_BENCH ? false : 'set ARQ_BENCH=1'
  }, t => {
    let now = 0
    let got = 0
    let blocked = false
    const there = new Pipe(loss)
    const back = new Pipe(loss)
    const host = (pipe: Pipe, readable: () => void): ArqHost => ({
      output: segment => pipe.put(segment, now),
      readable,
      writable: () => {
        blocked = false
      },
      reset: () => {},
      forget: () => {}
    })
    const options = { mtu: 1200, now, random: new Random(2).next }
    const a = new Arq(
      host(there, () => {}),
      { ...options, open: Uint8Array.of(1) }
    )
    const b = new Arq(
      host(back, () => {
        for (let bytes = b.read(); bytes; bytes = b.read()) {
          got += bytes.length
          b.consumed(bytes.length, now)
        }
      }),
      options
    )
    const chunk = new Uint8Array(65536)
    const start = process.cpuUsage()
    for (; got < TOTAL; now++) {
      there.deliver(b, now)
      back.deliver(a, now)
      while (!blocked) blocked = a.write(chunk, now) < chunk.length
    }
    const used = process.cpuUsage(start)
    const us = used.user + used.system
    t.diagnostic(
      `${((us * 1200) / got).toFixed(2)} us of CPU for 1200 bytes, both ends and acks: ${((got * 8) / us).toFixed(0)} Mbit/s; ` +
        `${back.segments} acks for ${there.segments} segments`
    )
  })
}
