/**
 * A {@link Link} over hyperdht's connection: secret-stream for the ordered messages, UDX messages of the raw stream under it
 * for the datagrams.
 */
import SecretStream from '@hyperswarm/secret-stream'
import { codeOf } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Link, LinkEvents } from '../session/link.js'

/** What IP, UDP and UDX put before a datagram, bytes. */
const HEADERS_IPV4 = 20 + 8 + 20
const HEADERS_IPV6 = 40 + 8 + 20

/** After so many bytes one more acknowledgement is asked for: how finely {@link StreamLink.room} is known. */
const MARK_BYTES = 16 * 1024

/** How long the other side may take to end its half when we ended ours, ms. */
const LINGER_MS = 1000

/** Makes hyperdht's streams ours: without secret-stream's own datagrams, which would try each of our packets in vain. */
export function createSecretStream(isInitiator: boolean, rawStream: unknown, opts: object): SecretStream {
  return new SecretStream(isInitiator, rawStream, { ...opts, enableSend: false })
}

export class StreamLink implements Link {
  events: LinkEvents = { message() {}, datagram() {}, drain() {}, close() {} }
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  readonly #stream: SecretStream
  readonly #raw: SecretStream.RawStream
  readonly #limits: Pick<Limits, 'unsentBytes' | 'unsentDatagrams'>
  #unacked = 0
  #unmarked = 0
  #marks = 0
  #choked = false
  #datagrams = 0
  #gone = false
  readonly #onsent = () => {
    this.#datagrams--
  }

  /** @param stream a stream that has opened */
  constructor(stream: SecretStream, limits: Pick<Limits, 'unsentBytes' | 'unsentDatagrams'>) {
    this.#stream = stream
    this.#raw = stream.rawStream
    this.#limits = limits
    let code = 'CONNECTION_LOST'
    stream.on('data', (message: Uint8Array) => this.events.message(message))
    stream.on('end', () => {
      // UDX closes when both halves have ended.
      stream.end()
      this.#leave(code)
    })
    stream.on('error', (err: unknown) => {
      code = codeOf(err)
    })
    this.closed = new Promise(resolve => {
      stream.on('close', () => {
        this.#leave(code)
        resolve()
      })
    })
    this.#raw.on('message', (packet: Uint8Array) => this.events.datagram(packet))
  }

  get remoteKey(): Uint8Array {
    return this.#stream.remotePublicKey
  }

  get handshakeHash(): Uint8Array {
    return this.#stream.handshakeHash
  }

  /** The address that packets go to now; it changes when a relayed connection becomes direct. */
  get remoteHost(): string | null {
    return this.#raw.remoteHost
  }

  alloc(size: number): Uint8Array {
    return this.#stream.alloc(size)
  }

  write(message: Uint8Array): void {
    if (this.#gone) return
    this.#unacked += message.byteLength
    this.#unmarked += message.byteLength
    this.#stream.write(message)
    if (this.#unmarked >= MARK_BYTES || this.#marks === 0) this.#mark()
  }

  /** Learns when what is written so far has been acknowledged. */
  #mark(): void {
    const bytes = this.#unmarked
    this.#unmarked = 0
    this.#marks++
    this.#stream.flush().then(() => {
      this.#marks--
      this.#unacked -= bytes
      if (this.#unmarked > 0 && this.#marks === 0) this.#mark()
      if (this.#choked && this.room() > 0) {
        this.#choked = false
        this.events.drain()
      }
    }, noop)
  }

  room(): number {
    if (this.#gone) return 0
    const room = this.#limits.unsentBytes + this.#raw.inflight - this.#unacked
    if (room <= 0) this.#choked = true
    return room
  }

  datagramSize(): number {
    return this.#raw.mtu - (this.#raw.remoteFamily === 6 ? HEADERS_IPV6 : HEADERS_IPV4)
  }

  sendDatagram(packet: Uint8Array): void {
    if (this.#gone || this.#datagrams >= this.#limits.unsentDatagrams) return
    this.#datagrams++
    this.#raw.send(packet).then(this.#onsent, this.#onsent)
  }

  close(): void {
    if (this.#gone) return
    this.#leave('CLOSED')
    const linger = setTimeout(() => this.#stream.destroy(), LINGER_MS)
    this.closed.then(() => clearTimeout(linger))
    this.#stream.end()
  }

  destroy(): void {
    this.#leave('CLOSED')
    this.#stream.destroy()
  }

  #leave(code: string): void {
    if (this.#gone) return
    this.#gone = true
    const { events } = this
    this.events = { message() {}, datagram() {}, drain() {}, close() {} }
    events.close(code)
  }
}

function noop(): void {}
