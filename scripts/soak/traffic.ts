/**
 * One guest's programs, in its namespace: connections that are held over `tcp` and `tcpudp`, new ones beside them, and datagrams, all to
 * echoes. Each byte is compared.
 *
 *     traffic.js TCP UDP TCPUDP       until stdin ends; every 5 s one line of JSON, a {@link Report}
 */
import net from 'node:net'
import { UdpClient } from '../../test/support/clients.js'

/** What happened since the last report. */
export interface Report {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Round trips of words that were written while nothing else waited, ms. */
  readonly rtts: readonly number[]
  /** Bytes that came back. */
  readonly bytes: number
  /** Held connections that ended, with the time. */
  readonly resets: readonly { readonly at: number; readonly proto: string; readonly code: string }[]
  /** New connections that were answered, and that failed. */
  readonly answered: number
  readonly failed: number
  readonly udp: { readonly sent: number; readonly back: number; readonly twice: number }
  /** What must never be: bytes that are not those that were sent, in words. */
  readonly wrong: readonly string[]
  /** The longest time in which a held connection that waited for bytes got none, ms. */
  readonly standstill: number
}

const TICK_MS = 50
const REPORT_MS = 5000
/** Bytes of a held connection that may be on their way. */
const AHEAD = 1 << 20
const PIECE = 2048
/** As long as a connection may wait for a session. */
const PATIENCE_MS = 65_000

interface Counts {
  rtts: number[]
  bytes: number
  resets: { at: number; proto: string; code: string }[]
  answered: number
  failed: number
  udp: { sent: number; back: number; twice: number }
  wrong: string[]
  standstill: number
}

const fresh = (): Counts => ({
  rtts: [],
  bytes: 0,
  resets: [],
  answered: 0,
  failed: 0,
  udp: { sent: 0, back: 0, twice: 0 },
  wrong: [],
  standstill: 0
})

let counts = fresh()

/** Byte `offset` of the stream that all held connections send: a loss or a double shows at once. */
function fill(piece: Buffer, offset: number): Buffer {
  for (let i = 0; i < piece.length; i += 4) {
    piece.writeUInt32LE(Math.imul((offset + i) / 4 + 1, 0x9e3779b1) >>> 0, i)
  }
  return piece
}

/** A connection that is held until it ends, then another. */
class Held {
  #socket: net.Socket | null = null
  #sent = 0
  #back = 0
  #movedAt = 0
  /** When the last piece was written, if nothing else was on its way then. */
  #timed: { readonly at: number; readonly until: number } | null = null
  #rest = Buffer.alloc(0)

  constructor(
    readonly proto: string,
    readonly port: number
  ) {}

  tick(): void {
    const socket = this.#socket ?? this.#open()
    const now = performance.now()
    if (this.#sent > this.#back) counts.standstill = Math.max(counts.standstill, now - this.#movedAt)
    else this.#movedAt = now
    if (this.#sent - this.#back > AHEAD) return
    if (this.#sent === this.#back) this.#timed = { at: now, until: this.#sent + PIECE }
    socket.write(fill(Buffer.alloc(PIECE), this.#sent))
    this.#sent += PIECE
  }

  #open(): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1')
    this.#socket = socket
    this.#sent = 0
    this.#back = 0
    this.#rest = Buffer.alloc(0)
    this.#timed = null
    this.#movedAt = performance.now()
    let code = 'end'
    socket.on('error', err => {
      code = (err as NodeJS.ErrnoException).code ?? 'error'
    })
    socket.on('data', data => this.#compare(data))
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = null
      counts.resets.push({ at: Date.now(), proto: this.proto, code })
    })
    return socket
  }

  #compare(data: Buffer): void {
    const now = performance.now()
    counts.standstill = Math.max(counts.standstill, now - this.#movedAt)
    this.#movedAt = now
    counts.bytes += data.length
    const all = Buffer.concat([this.#rest, data])
    const whole = all.length - (all.length % 4)
    const got = all.subarray(0, whole)
    if (!got.equals(fill(Buffer.alloc(whole), this.#back))) {
      counts.wrong.push(`${this.proto}: other bytes than were sent, from ${this.#back} on`)
      this.#socket?.destroy()
      return
    }
    this.#back += whole
    this.#rest = all.subarray(whole)
    if (!this.#timed || this.#back < this.#timed.until) return
    counts.rtts.push(now - this.#timed.at)
    this.#timed = null
  }
}

/** A new connection with one word. */
function visit(port: number): void {
  const word = fill(Buffer.alloc(64), Math.floor(Math.random() * 1e6) * 4)
  const socket = net.connect(port, '127.0.0.1')
  const late = setTimeout(() => socket.destroy(), PATIENCE_MS)
  let got = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', data => {
    got = Buffer.concat([got, data])
    if (got.length >= word.length) socket.destroy()
  })
  socket.on('close', () => {
    clearTimeout(late)
    if (got.equals(word)) counts.answered++
    else if (word.subarray(0, got.length).equals(got)) counts.failed++
    else counts.wrong.push(`a new connection to ${port}: other bytes than were sent`)
  })
  socket.write(word)
}

/** Datagrams with numbers. */
async function talk(port: number): Promise<() => void> {
  const program = await UdpClient.open(port)
  const seen = new Set<number>()
  let next = 0
  program.socket.on('message', data => {
    program.got.length = 0
    const number = data.readUInt32LE()
    if (number >= next || data.length !== 100)
      counts.wrong.push(`udp: a datagram that was not sent, ${data.length} bytes`)
    else if (seen.has(number)) counts.udp.twice++
    seen.add(number)
    counts.udp.back++
    // Those that are much older do not come any more.
    if (seen.size > 5000) for (const old of seen) if (seen.size > 4000) seen.delete(old)
  })
  return () => {
    const datagram = Buffer.alloc(100)
    datagram.writeUInt32LE(next++)
    counts.udp.sent++
    program.send(datagram).catch(() => {})
  }
}

const [tcp = 0, udp = 0, tcpudp = 0] = process.argv.slice(2).map(Number)
const held = [new Held('tcp', tcp), new Held('tcpudp', tcpudp)]
const sendDatagram = await talk(udp)
let ticks = 0
setInterval(() => {
  for (const one of held) one.tick()
  sendDatagram()
  if (++ticks % 10 === 0) visit(ticks % 20 === 0 ? tcp : tcpudp)
}, TICK_MS)

function report(): void {
  const { rtts, standstill, ...others } = counts
  const rounded = { rtts: rtts.map(ms => Math.round(ms * 10) / 10), standstill: Math.round(standstill) }
  console.log(JSON.stringify({ at: Date.now(), ...others, ...rounded } satisfies Report))
  counts = fresh()
}
setInterval(report, REPORT_MS)
process.stdin.on('end', () => {
  report()
  process.exit(0)
})
process.stdin.resume()
