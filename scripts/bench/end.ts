// The programs at both ends of a measured tunnel, one process each:
//   end.js dht HOST                       a DHT whose nodes have this address, told on stdout
//   end.js answer HOST                    TCP and UDP on one free port, told on stdout
//   end.js connect HOST PORT COUNT        milliseconds from connect to the first byte, COUNT times
//   end.js ping HOST PORT COUNT           milliseconds from a datagram of 200 bytes to its reply
//   end.js talk HOST PORT COUNT EVERY_MS  the same for 100-byte messages on one TCP connection, one every EVERY_MS
//   end.js tick HOST PORT COUNT EVERY_MS  the same as ping, one datagram every EVERY_MS whether or not replies came,
//                                        and for a second before the COUNT begins
//   end.js pour HOST PORT FLOWS MS        Mbit/s that each of FLOWS bulk connections gets towards the other end
//   end.js draw HOST PORT FLOWS MS        the same from the other end
// Samples are printed as one JSON list.
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { bindUdpEcho, listenTcp, onOnePort } from '../../test/support/servers.js'
import { startTestnet } from '../../test/support/testnet.js'

const DATAGRAM_BYTES = 200
const MESSAGE_BYTES = 100
const REPLY_MS = 1_000
/** The first byte of a bulk flow. */
const BULK = 'B'.charCodeAt(0)
/** The first byte of one that goes the other way. */
const DRAW = 'D'.charCodeAt(0)
/** Of a game that begins beside a transfer, the first moments tell of the time without it. */
const WARM_MS = 1_000
/** Between connections: hyper-nat 1.1.3 loses most of those that are opened while another is closing. */
const PAUSE_MS = 20

const [mode, host = '127.0.0.1', ...numbers] = process.argv.slice(2)
const [port = 0, count = 0, everyMs = 0] = numbers.map(Number)

// The caller shows what is said here: a sentence, not a stack.
process.on('uncaughtException', err => {
  console.error(err.message)
  process.exit(1)
})

if (mode === 'dht') console.log(`bootstrap ${(await startTestnet(4, host)).bootstrap.join(',')}`)
else if (mode === 'answer') await answer()
else if (mode === 'connect') print(await connects())
else if (mode === 'ping') print(await pings())
else if (mode === 'talk') print(await talks())
else if (mode === 'tick') print(await ticks())
else if (mode === 'pour') print(await bulk(count, everyMs, BULK))
else if (mode === 'draw') print(await bulk(count, everyMs, DRAW))
else throw new Error(`no such mode: ${mode}`)

function print(samples: number[]): void {
  console.log(JSON.stringify(samples.map(ms => Math.round(ms * 1e4) / 1e4)))
}

/** A byte at once on each TCP connection, then an echo; an echo on UDP. */
async function answer(): Promise<void> {
  const [tcp] = await onOnePort(
    () =>
      listenTcp(
        socket => {
          socket.setNoDelay(true)
          socket.write('!')
          socket.on('error', () => {})
          socket.once('data', first => {
            // A bulk flow wants nothing back.
            if (first[0] === BULK) return socket.resume()
            if (first[0] === DRAW) return pour(socket, DRAW)
            socket.write(first)
            socket.pipe(socket)
          })
        },
        { host }
      ),
    udpPort => bindUdpEcho({ host, port: udpPort })
  )
  console.log(`port ${tcp.port}`)
}

/** A connection that gives nothing in time gives no sample: the caller sees how many are missing. */
async function connects(): Promise<number[]> {
  const samples: number[] = []
  for (let i = 0; i < count; i++) {
    const from = performance.now()
    const socket = net.connect({ port, host, noDelay: true })
    const signal = AbortSignal.timeout(REPLY_MS)
    try {
      await once(socket, 'data', { signal })
      samples.push(performance.now() - from)
    } catch (err) {
      if (!signal.aborted) throw err
    }
    socket.end()
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
    socket.destroy()
  }
  return samples
}

async function pings(): Promise<number[]> {
  const socket = dgram.createSocket('udp4')
  socket.connect(port, host)
  await once(socket, 'connect')
  const samples: number[] = []
  const payload = Buffer.alloc(DATAGRAM_BYTES, 'x')
  for (let i = 0; i < count; i++) {
    payload.writeUInt32BE(i)
    const from = performance.now()
    socket.send(payload)
    const to = await reply(socket, i)
    if (to !== undefined) samples.push(to - from)
  }
  socket.close()
  return samples
}

/** When the reply to datagram `i` came; undefined when it did not. */
function reply(socket: dgram.Socket, i: number): Promise<number | undefined> {
  return new Promise(resolve => {
    const done = (at?: number) => {
      clearTimeout(timer)
      socket.off('message', onMessage)
      resolve(at)
    }
    const onMessage = (data: Buffer) => {
      if (data.readUInt32BE() === i) done(performance.now())
    }
    const timer = setTimeout(done, REPLY_MS)
    socket.on('message', onMessage)
  })
}

/** Sends at fixed times, as a game does; what has no reply within {@link REPLY_MS} of the last one gives no sample. */
async function ticks(): Promise<number[]> {
  const socket = dgram.createSocket('udp4')
  socket.connect(port, host)
  await once(socket, 'connect')
  const samples: number[] = []
  const sent: number[] = []
  const replied = new Set<number>()
  const warm = Math.ceil(WARM_MS / everyMs)
  socket.on('message', data => {
    const i = data.readUInt32BE()
    const at = sent[i]
    if (at === undefined || replied.has(i)) throw new Error(`reply ${i} came twice, or unasked`)
    replied.add(i)
    if (i >= warm) samples.push(performance.now() - at)
  })
  const start = performance.now()
  for (let i = 0; i < warm + count; i++) {
    const wait = start + i * everyMs - performance.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    const payload = Buffer.alloc(DATAGRAM_BYTES, 'x')
    payload.writeUInt32BE(i)
    sent.push(performance.now())
    socket.send(payload)
  }
  await new Promise(resolve => setTimeout(resolve, REPLY_MS))
  socket.close()
  return samples
}

/** Sends as fast as the socket takes it. */
function pour(socket: net.Socket, first: number): void {
  const block = Buffer.alloc(64 * 1024, first)
  const push = () => {
    while (socket.writable && socket.write(block));
  }
  socket.on('drain', push)
  push()
}

/** What each of several connections carries at the same time, as fast as it may; the first third is their start. */
async function bulk(flows: number, ms: number, kind: number): Promise<number[]> {
  const sockets = Array.from({ length: flows }, () => {
    const socket = net.connect({ port, host })
    socket.resume()
    socket.once('connect', () => {
      if (kind === BULK) pour(socket, kind)
      else socket.write(Buffer.of(kind))
    })
    return socket
  })
  await new Promise(resolve => setTimeout(resolve, ms / 3))
  const carried = (socket: net.Socket) =>
    kind === BULK ? socket.bytesWritten - socket.writableLength : socket.bytesRead
  const before = sockets.map(carried)
  const from = performance.now()
  await new Promise(resolve => setTimeout(resolve, (ms * 2) / 3))
  const seconds = (performance.now() - from) / 1000
  const rates = sockets.map((socket, flow) => ((carried(socket) - before[flow]!) * 8) / seconds / 1e6)
  for (const socket of sockets) socket.destroy()
  return rates
}

/** Sends at fixed times, whether or not replies came: a late reply must not slow the next message down. */
async function talks(): Promise<number[]> {
  const socket = net.connect({ port, host, noDelay: true })
  await once(socket, 'data')
  const samples: number[] = []
  const sent: number[] = []
  let pending = Buffer.alloc(0)
  const done = new Promise<void>((resolve, reject) => {
    socket.on('close', () => reject(new Error(`closed after ${samples.length} of ${count} replies`)))
    socket.on('data', data => {
      const now = performance.now()
      pending = Buffer.concat([pending, data])
      while (pending.length >= MESSAGE_BYTES) {
        samples.push(now - (sent[pending.readUInt32BE()] ?? Number.NaN))
        pending = pending.subarray(MESSAGE_BYTES)
      }
      if (samples.length >= count) resolve()
    })
  })
  const start = performance.now()
  for (let i = 0; i < count; i++) {
    const wait = start + i * everyMs - performance.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    const message = Buffer.alloc(MESSAGE_BYTES, 'x')
    message.writeUInt32BE(i)
    sent.push(performance.now())
    socket.write(message)
  }
  await done
  socket.removeAllListeners('close')
  socket.destroy()
  return samples
}
