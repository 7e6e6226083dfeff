/**
 * A {@link Link} over hyperdht's connection: secret-stream for the ordered messages, UDX messages of the raw stream under it
 * for the datagrams.
 */
import type SecretStream from '@hyperswarm/secret-stream'
import { codeOf } from '../errors.js'
import type { PathKind } from '../events.js'
import type { Limits } from '../limits.js'
import { protocolError } from '../wire/bytes.js'
import type { Link, LinkEvents } from '../wire/link.js'
import { GapEstimate } from './gap-estimate.js'
import { InPlaceStream, rateOf } from './internals.js'
import type { MessagePacer } from './message-pacer.js'
import { type Reach, reachOf } from './path.js'

/** What IP, UDP and UDX put before a datagram, bytes. */
const HEADERS_IPV4 = 20 + 8 + 20
const HEADERS_IPV6 = 40 + 8 + 20

/**
 * After so many bytes, or a quarter of what may wait, one more acknowledgement is asked for: how finely
 * {@link StreamLink.room} is known. Each costs a few promises; coarser ones let the stream run dry.
 */
const MARK_BYTES = 16 * 1024
const MARK_SHARE = 1 / 4

/**
 * What is bounded is known, and handed over, as finely as this share of the bound, but not finer than a packet: UDX, which never
 * finds the path full then, sends what it gets in one burst.
 */
const CAPPED_SHARE = 1 / 32
const PACKET_BYTES = 1400

/**
 * Bytes that arrived behind a gap are neither in flight nor acknowledged. While packets are sent again they are allowed for, with so
 * many congestion windows: otherwise the stream runs dry after each loss, and UDX takes that for the rate of the program. So long
 * after the last one it is over, ms.
 */
const GAP_WINDOWS = 2
const GAP_MS = 2000

/** One datagram in so many tells when the kernel has taken it, and so all before it: a promise for each would cost too much. */
const PROBE_EVERY = 16

/**
 * UDX sends the last packet of what it has sent once more after two round trips, and then waits for a second (its least RTO). An empty
 * message behind it shows sooner what is missing: after so many round trips, but not before so long, ms, and then each time after
 * twice as long.
 */
const TAIL_ROUND_TRIPS = 4
const TAIL_MS = 10

/** How long the other side may take to end its half when we ended ours, ms. */
const LINGER_MS = 1000

type StreamLimits = Pick<Limits, 'unsentMs' | 'unsentMinBytes' | 'unsentMaxBytes' | 'unsentDatagrams'>

export class StreamLink implements Link {
  events: LinkEvents = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
  /** The path has changed, from relayed to a direct one. */
  onpath: (was: PathKind) => void = () => {}
  /** See {@link suspect}. */
  onsuspect: () => void = () => {}
  /** Resolves when the connection is gone, with why: `CONNECTION_LOST` for an orderly end. */
  readonly closed: Promise<string>
  readonly #stream: SecretStream
  readonly #raw: SecretStream.RawStream
  /** Null for a stream that is not ours. */
  readonly #pacer: MessagePacer | null
  readonly #limits: StreamLimits
  #unacked = 0
  #cwndCap = Number.POSITIVE_INFINITY
  #unmarked = 0
  #marks = 0
  #choked = false
  #retransmits = 0
  #gapsUntil = 0
  /** Armed while something may not be acknowledged. */
  #tailTimer: NodeJS.Timeout | null = null
  #unsent = 0
  #sinceProbe = 0
  readonly #gap = new GapEstimate()
  /** Bytes of messages and of datagrams that have come, and of messages that went. */
  #inOrder = 0
  #datagrams = 0
  #written = 0
  #gone = false
  /** What was found out of an address. */
  #reached: { readonly host: string; readonly reach: Reach } | null = null
  #relayed: boolean
  readonly #byTcp: boolean
  readonly #onsent = () => {
    this.#unsent -= PROBE_EVERY
  }

  /**
   * @param stream a stream that has opened
   * @param relayed whether it goes through a relay now
   * @param byTcp whether it comes from this machine's own relay by TCP
   */
  constructor(stream: SecretStream, limits: StreamLimits, relayed = false, byTcp = false) {
    this.#stream = stream
    this.#raw = stream.rawStream
    this.#pacer = stream instanceof InPlaceStream ? stream.pacer : null
    this.#limits = limits
    this.#relayed = relayed
    this.#byTcp = byTcp
    let code = 'CONNECTION_LOST'
    stream.on('data', (message: Uint8Array) => {
      this.#inOrder += message.byteLength
      this.events.message(message)
    })
    stream.on('end', () => {
      // UDX closes when both halves have ended.
      stream.end()
      this.#leave(code)
    })
    stream.on('error', (err: unknown) => {
      // What has no code comes from secret-stream: destroyed in the middle of something, or a message that nobody understands.
      const told = codeOf(err)
      if (told !== 'INTERNAL') code = told
    })
    this.closed = new Promise(resolve => {
      stream.on('close', () => {
        this.#leave(code)
        resolve(code)
      })
    })
    this.#raw.on('message', (packet: Uint8Array) => {
      this.#datagrams += packet.byteLength
      this.events.datagram(packet)
    })
    let told = this.path
    this.#raw.on('remote-changed', () => {
      this.#relayed = false
      this.events.path()
      const was = told
      told = this.path
      if (!this.#gone && told !== was) this.onpath(was)
    })
  }

  get remoteKey(): Uint8Array {
    return this.#stream.remotePublicKey
  }

  get handshakeHash(): Uint8Array {
    return this.#stream.handshakeHash
  }

  /** How packets travel now; it changes when a relayed connection becomes direct. */
  get path(): PathKind {
    if (this.#byTcp || this.#raw.relay) return 'relayed (tcp)'
    if (this.#relayed) return 'relayed'
    return this.#remoteReach === 'public' ? 'direct' : 'lan'
  }

  /** Of the addresses that packets have on their way. */
  get family(): 'IPv4' | 'IPv6' {
    return this.#raw.remoteFamily === 6 ? 'IPv6' : 'IPv4'
  }

  get reach(): Reach {
    if (this.#relayed || this.#byTcp || this.#raw.relay) return 'public'
    return this.#remoteReach
  }

  /** Of the address that packets go to. Each flow asks, and finding out takes longer than all else that opens one. */
  get #remoteReach(): Reach {
    const { remoteHost } = this.#raw
    if (remoteHost === null) return 'public'
    if (this.#reached?.host !== remoteHost) this.#reached = { host: remoteHost, reach: reachOf(remoteHost) }
    return this.#reached.reach
  }

  /** Nothing comes any more: a relay that carries it may be dead, and should not be the next one too; or UDP is blocked. */
  suspect(): void {
    this.onsuspect()
  }

  alloc(size: number): Uint8Array {
    return this.#stream.alloc(size)
  }

  write(message: Uint8Array): void {
    if (this.#gone) return
    this.#written += message.byteLength
    this.#unacked += message.byteLength
    this.#unmarked += message.byteLength
    this.#stream.write(message)
    if (this.#unmarked >= this.#grain) this.#mark()
    if (this.#tailTimer === null) this.#watchTail()
  }

  /** Sends an empty message behind what was written last, if that is not acknowledged after `ms`. */
  #watchTail(ms = Math.max(TAIL_MS, TAIL_ROUND_TRIPS * this.#raw.rtt)): void {
    const written = this.#written
    this.#tailTimer = setTimeout(() => {
      this.#tailTimer = null
      if (this.#gone || this.#raw.inflight === 0) return
      if (this.#written !== written) return this.#watchTail()
      this.#stream.write(this.alloc(0))
      this.#watchTail(2 * ms)
    }, ms).unref()
  }

  /** Learns when what is written so far has been acknowledged. */
  #mark(): void {
    const bytes = this.#unmarked
    this.#unmarked = 0
    this.#marks++
    this.#stream.flush().then(() => {
      this.#marks--
      this.#unacked -= bytes
      if (!this.#choked || this.#gone) return
      if (this.room() < Math.min(this.#unsentLimit() / 2, this.#cwndCap * CAPPED_SHARE)) return this.#choke()
      this.#choked = false
      this.events.drain()
    }, noop)
  }

  /** Bytes after which one more acknowledgement is asked for. */
  get #grain(): number {
    const usual = Math.max(MARK_BYTES, this.#unsentLimit() * MARK_SHARE)
    return Math.min(usual, Math.max(PACKET_BYTES, this.#cwndCap * CAPPED_SHARE))
  }

  pause(): void {
    this.#pacer?.hold()
  }

  resume(): void {
    this.#pacer?.release()
  }

  ignore(): void {
    this.#pacer?.ignore()
  }

  room(): number {
    if (this.#gone) return 0
    const room =
      Math.min(this.#unsentLimit() + this.#raw.inflight + this.#behindGaps(), this.#cwndCap) - this.#unacked
    if (room <= 0) this.#choke()
    return room
  }

  /** Bytes that may have arrived behind gaps. */
  #behindGaps(): number {
    const { retransmits, cwnd, mtu } = this.#raw
    const now = performance.now()
    if (retransmits !== this.#retransmits) {
      this.#retransmits = retransmits
      this.#gapsUntil = now + GAP_MS
    }
    return now < this.#gapsUntil ? GAP_WINDOWS * cwnd * mtu : 0
  }

  get atCwndCap(): boolean {
    return this.#unacked >= this.#cwndCap
  }

  setCwndCap(bytes: number): void {
    const wider = bytes > this.#cwndCap
    this.#cwndCap = bytes
    if (!wider || !this.#choked || this.#gone || this.room() <= 0) return
    this.#choked = false
    this.events.drain()
  }

  /** Whoever waits for `drain` must not wait for bytes that nobody asks about. */
  #choke(): void {
    this.#choked = true
    if (this.#marks === 0 && this.#unmarked > 0) this.#mark()
  }

  /** What may wait in the stream: a few milliseconds' worth, so that it never runs dry and nothing urgent waits long. */
  #unsentLimit(): number {
    const { unsentMs, unsentMinBytes, unsentMaxBytes } = this.#limits
    const bytes = Math.floor((rateOf(this.#raw) * unsentMs) / 1000)
    return Math.min(Math.max(bytes, unsentMinBytes), unsentMaxBytes)
  }

  get streamMtu(): number {
    return this.#raw.mtu
  }

  get isSending(): boolean {
    return this.#raw.inflight > 0
  }

  datagramSize(mtu: number): number {
    return mtu - (this.#raw.remoteFamily === 6 ? HEADERS_IPV6 : HEADERS_IPV4)
  }

  sendDatagram(packet: Uint8Array): boolean {
    if (this.#gone || this.#unsent >= this.#limits.unsentDatagrams) return false
    if (++this.#sinceProbe < PROBE_EVERY) {
      this.#raw.trySend(packet)
      return true
    }
    this.#sinceProbe = 0
    this.#unsent += PROBE_EVERY
    this.#raw.send(packet).then(this.#onsent, this.#onsent)
    return true
  }

  /** Ends the connection if more has arrived behind a gap than a peer has on its way; to be called a few times a second. */
  checkGap(): void {
    if (this.#gone) return
    const { bytesReceived: received, packetsReceived: packets } = this.#raw
    const tooMuch = this.#gap.update({
      received,
      packets,
      inOrder: this.#inOrder + (this.#pacer?.waitingBytes ?? 0),
      datagrams: this.#datagrams,
      sent: this.#written
    })
    if (tooMuch) this.#stream.destroy(protocolError('packets without end behind one that it does not send'))
  }

  close(): void {
    if (this.#gone) return
    this.#leave('CLOSED')
    this.ignore()
    const linger = setTimeout(() => this.#stream.destroy(), LINGER_MS)
    void this.closed.then(() => clearTimeout(linger))
    this.#stream.end()
  }

  destroy(): void {
    this.#leave('CLOSED')
    this.#stream.destroy()
  }

  #leave(code: string): void {
    if (this.#gone) return
    this.#gone = true
    clearTimeout(this.#tailTimer ?? undefined)
    const { events } = this
    this.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
    events.close(code)
  }
}

function noop(): void {}
