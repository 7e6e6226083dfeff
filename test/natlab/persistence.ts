/** Programs that do not give up: what each kind of them has to wait for while hosts come and go. Times in milliseconds. */
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { UdpClient } from '../support/clients.js'

/** Between two new connections, two words, two datagrams. */
const TICK_MS = 100

/** A connection that is not answered by then is given up. */
const PATIENCE_MS = 10_000

const WORD = 16

/** What came of new connections. */
export interface NewcomersReport {
  tried: number
  failed: number
  /** The longest that anybody who kept trying had to wait for a connection that was answered, ms. */
  worst: number
}

/** New connections one after the other, each with a word and its echo. */
export class Newcomers {
  /** When those came who have not been answered yet, and when each connection was begun, in order. */
  #unanswered: number[] = []
  #report: NewcomersReport = { tried: 0, failed: 0, worst: 0 }
  readonly #timer = setInterval(() => this.#try(), TICK_MS)

  constructor(readonly port: number) {}

  #try(): void {
    const from = performance.now()
    this.#unanswered.push(from)
    this.#report.tried++
    const word = randomBytes(WORD)
    const socket = net.connect(this.port, '127.0.0.1')
    const late = setTimeout(() => socket.destroy(), PATIENCE_MS)
    let rest = Buffer.alloc(0)
    let answered = false
    socket.on('error', () => {})
    socket.on('data', data => {
      rest = Buffer.concat([rest, data])
      if (rest.length < WORD) return
      answered = rest.equals(word)
      socket.destroy()
    })
    socket.on('close', () => {
      clearTimeout(late)
      if (answered) this.#answered(from)
      else this.#report.failed++
    })
    socket.write(word)
  }

  /** All who came before this connection was begun could have begun it. */
  #answered(begun: number): void {
    const now = performance.now()
    while (this.#unanswered.length > 0 && this.#unanswered[0]! <= begun) {
      this.#report.worst = Math.max(this.#report.worst, Math.round(now - this.#unanswered.shift()!))
    }
  }

  stop(): NewcomersReport {
    clearInterval(this.#timer)
    // Who still waits has waited until now.
    const [first = performance.now()] = this.#unanswered
    return { ...this.#report, worst: Math.max(this.#report.worst, Math.round(performance.now() - first)) }
  }
}

/** What came of a connection that is held. */
export interface HeldReport {
  /** How often it was reset and begun again. One without an answer yet does not count: it does not wait for a silent host. */
  resets: number
  /** The longest that it was open and said nothing, ms: it must move, or be reset. */
  worst: number
}

/** A connection that is held and used until it is reset, then another. */
export class Held {
  #report: HeldReport = { resets: 0, worst: 0 }
  #socket: net.Socket | null = null
  #heardAt = performance.now()
  #answered = false
  readonly #timer = setInterval(() => this.#tick(), TICK_MS)

  constructor(readonly port: number) {}

  #tick(): void {
    this.#look()
    const socket = this.#socket ?? this.#open()
    socket.write(randomBytes(WORD))
  }

  #open(): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1')
    this.#socket = socket
    this.#answered = false
    this.#heardAt = performance.now()
    socket.on('error', () => {})
    socket.on('data', () => {
      this.#look()
      this.#answered = true
      this.#heardAt = performance.now()
    })
    socket.on('close', () => {
      this.#look()
      if (this.#answered) this.#report.resets++
      this.#socket = null
    })
    return socket
  }

  #look(): void {
    if (!this.#socket) return
    this.#report.worst = Math.max(this.#report.worst, Math.round(performance.now() - this.#heardAt))
  }

  stop(): HeldReport {
    clearInterval(this.#timer)
    this.#look()
    return this.#report
  }
}

/** What came of datagrams. */
export interface UdpReport {
  sent: number
  lost: number
  /** The longest time without an answer, ms. */
  worst: number
}

/** One program that sends datagrams all the time, from one port. */
export class UdpTalk {
  #sent = 0
  #worst = 0
  #heardAt = performance.now()
  readonly #timer: NodeJS.Timeout

  private constructor(readonly client: UdpClient) {
    client.socket.on('message', () => this.#heard())
    this.#timer = setInterval(() => this.#send(), TICK_MS)
  }

  static async open(port: number): Promise<UdpTalk> {
    const client = await UdpClient.open(port)
    await client.echo(Buffer.from('first'))
    return new UdpTalk(client)
  }

  #send(): void {
    const datagram = Buffer.alloc(WORD)
    datagram.writeUInt32BE(this.#sent++)
    this.client.send(datagram).catch(() => {})
  }

  #heard(): void {
    this.#worst = Math.max(this.#worst, Math.round(performance.now() - this.#heardAt))
    this.#heardAt = performance.now()
  }

  stop(): UdpReport {
    clearInterval(this.#timer)
    this.#heard()
    const back = new Set(
      this.client.got.filter(data => data.length === WORD).map(data => data.readUInt32BE())
    )
    return { sent: this.#sent, lost: this.#sent - back.size, worst: this.#worst }
  }
}
