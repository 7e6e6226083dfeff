/**
 * A program inside a namespace: what a server shares, or what uses a client's local ports.
 *
 *     peer.js serve TCP UDP TCPUDP              echoes on these ports of 127.0.0.1, until it is stopped
 *     peer.js check TCP UDP TCPUDP BYTES        sends BYTES through each and compares what comes back
 *     peer.js steady TCP UDP TCPUDP             a small write on each every 20 ms until stdin ends, and beside it a large transfer
 *                                               on TCP and on TCPUDP; each byte compared
 *     peer.js large TCP UDP TCPUDP              what fills packets until stdin ends: a transfer on TCP and on TCPUDP, and datagrams of
 *                                               1400 bytes; each byte compared
 *     peer.js persist TCP UDP TCPUDP            tries new connections, holds one and talks UDP until stdin ends, whatever fails
 *
 * Tells how it went as one line of JSON.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type net from 'node:net'
import { connectTcp, readSome, UdpClient } from '../support/clients.js'
import { bindUdpEcho, listenTcpEcho } from '../support/servers.js'
import type { Large, Silence, Steady } from './pair.js'
import { Held, Newcomers, UdpTalk } from './persistence.js'

const TICK_MS = 20
const DATAGRAM = 32
/** What a transfer writes at each tick that finds room: 0.2 MB/s, so that a relay's limit leaves some to catch up with. */
const BLOCK = 4 * 1024
/** One that fills a packet. */
const LARGE_DATAGRAM = 1400
/** Sizes of datagrams: within a packet, and in several. */
const DATAGRAMS = [1, 200, 1200, 9000]

/** Keeps the longest time between two answers. */
class Answers {
  longest: Silence = { ms: 0, until: 0 }
  #at = performance.now()

  note(): void {
    const now = performance.now()
    const ms = Math.round(now - this.#at)
    this.#at = now
    if (ms > this.longest.ms) this.longest = { ms, until: Date.now() }
  }
}

const [mode, ...args] = process.argv.slice(2)
const [tcp = 0, udp = 0, tcpudp = 0, bytes = 0] = args.map(Number)

if (mode === 'serve') {
  await listenTcpEcho({ port: tcp })
  await bindUdpEcho({ port: udp })
  await listenTcpEcho({ port: tcpudp })
  console.log(JSON.stringify({ ok: true }))
} else if (mode === 'check') {
  for (const port of [tcp, tcpudp]) await checkTcp(port)
  await checkUdp()
  console.log(JSON.stringify({ ok: true }))
} else if (mode === 'steady') {
  console.log(JSON.stringify({ ok: true, ...(await steady()) }))
  process.exit(0)
} else if (mode === 'large') {
  console.log(JSON.stringify({ ok: true, ...(await large()) }))
  process.exit(0)
} else if (mode === 'persist') {
  console.log(JSON.stringify({ ok: true, ...(await persist()) }))
  process.exit(0)
} else process.exit(2)

async function checkTcp(port: number): Promise<void> {
  const socket = await connectTcp(port)
  const sent = randomBytes(bytes)
  const received = readSome(socket, sent.length, 30_000)
  socket.write(sent)
  assert.ok(sent.equals(await received), `port ${port} gives back other bytes`)
  socket.destroy()
}

async function checkUdp(): Promise<void> {
  const client = await UdpClient.open(udp)
  for (const size of DATAGRAMS) await client.echo(randomBytes(size))
  await client.close()
}

async function steady(): Promise<Steady> {
  const a = await pingPong(tcp)
  const b = await pingPong(tcpudp)
  const transfers = [await transfer(tcp), await transfer(tcpudp)]
  const client = await UdpClient.open(udp)
  const answers = new Answers()
  client.socket.on('message', () => answers.note())
  let sent = 0
  const timer = setInterval(() => {
    const datagram = Buffer.alloc(DATAGRAM)
    datagram.writeUInt32BE(sent++)
    client.send(datagram).catch(() => {})
  }, TICK_MS)
  await client.receive(() => true)
  console.log(JSON.stringify({ started: true }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  clearInterval(timer)
  await client.receive(data => data.readUInt32BE() === sent - 1, 1000).catch(() => {})
  const back = new Set(client.got.map(data => data.readUInt32BE()))
  return {
    tcp: await a.stop(),
    tcpudp: await b.stop(),
    udp: answers.longest,
    udpSent: sent,
    udpLost: sent - back.size,
    transferred: (await Promise.all(transfers.map(one => one.stop()))).reduce((a, b) => a + b)
  }
}

async function large(): Promise<Large> {
  const transfers = [await transfer(tcp, 1), await transfer(tcpudp, 1)] as const
  const client = await UdpClient.open(udp)
  const answers = new Answers()
  client.socket.on('message', data => {
    assert.equal(data.length, LARGE_DATAGRAM)
    answers.note()
  })
  const payload = randomBytes(LARGE_DATAGRAM)
  const timer = setInterval(() => client.send(payload).catch(() => {}), TICK_MS)
  await client.receive(() => true)
  console.log(JSON.stringify({ started: true }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  clearInterval(timer)
  for (const one of transfers) await one.stop()
  return { tcp: transfers[0].answers.longest, tcpudp: transfers[1].answers.longest, udp: answers.longest }
}

/** What programs go through that try again when they fail. */
async function persist(): Promise<object> {
  const newTcp = new Newcomers(tcp)
  const newTcpudp = new Newcomers(tcpudp)
  const held = new Held(tcp)
  const talk = await UdpTalk.open(udp)
  console.log(JSON.stringify({ started: true }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  return { tcp: newTcp.stop(), tcpudp: newTcpudp.stop(), held: held.stop(), udp: talk.stop() }
}

/** Writes numbered words every tick, and sees that each comes back in its turn. */
async function pingPong(port: number): Promise<{ stop(): Promise<Silence> }> {
  const socket: net.Socket = await connectTcp(port)
  let sent = 0
  let read = 0
  let rest = Buffer.alloc(0)
  const answers = new Answers()
  socket.on('data', data => {
    answers.note()
    rest = Buffer.concat([rest, data])
    for (; rest.length >= 4; rest = rest.subarray(4)) assert.equal(rest.readUInt32BE(), read++)
  })
  socket.on('close', () => assert.fail(`port ${port}: the connection was closed`))
  const timer = setInterval(() => {
    const word = Buffer.alloc(4)
    word.writeUInt32BE(sent++)
    socket.write(word)
  }, TICK_MS)
  return {
    async stop() {
      clearInterval(timer)
      await caughtUp(() => sent - read)
      assert.equal(read, sent, `port ${port}: words that did not come back`)
      return answers.longest
    }
  }
}

/**
 * Writes as much as there is room for, and sees that the same comes back.
 * @param blocks how many may be on their way
 */
async function transfer(
  port: number,
  blocks = Number.POSITIVE_INFINITY
): Promise<{ answers: Answers; stop(): Promise<number> }> {
  const socket = await connectTcp(port)
  // A prime number of bytes: a block that is missing, doubled or moved shows.
  const pattern = randomBytes(65_521)
  const twice = Buffer.concat([pattern, pattern])
  const answers = new Answers()
  let sent = 0
  let read = 0
  socket.on('data', data => {
    answers.note()
    for (let i = 0; i < data.length; ) {
      const from = read % pattern.length
      const expected = twice.subarray(from, from + Math.min(data.length - i, pattern.length))
      const got = data.subarray(i, i + expected.length)
      assert.ok(expected.equals(got), `port ${port}: other bytes from ${read} on`)
      read += expected.length
      i += expected.length
    }
  })
  socket.on('close', () => assert.fail(`port ${port}: the connection was closed`))
  const timer = setInterval(() => {
    if (socket.writableNeedDrain || sent - read >= blocks * BLOCK) return
    const from = sent % pattern.length
    socket.write(twice.subarray(from, from + BLOCK))
    sent += BLOCK
  }, TICK_MS)
  return {
    answers,
    async stop() {
      clearInterval(timer)
      await caughtUp(() => sent - read)
      assert.equal(read, sent, `port ${port}: bytes that did not come back`)
      return read
    }
  }
}

/** Waits until nothing is on its way any more, or nothing more has come for 10 s: a busy machine is slow, but not stuck. */
async function caughtUp(left: () => number): Promise<void> {
  let [least, at] = [left(), performance.now()]
  while (least > 0 && performance.now() - at < 10_000) {
    await new Promise(resolve => setTimeout(resolve, TICK_MS))
    if (left() < least) [least, at] = [left(), performance.now()]
  }
}
