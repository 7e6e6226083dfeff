/**
 * One client's session at a relay: the UDP ports that are its, and what goes in and out there.
 *
 *     PACKET -> filter -> destinations -> shaper -> UDP port
 *     UDP port -> filter -> shaper -> PACKET
 *
 * It has a connection or waits for one:
 *
 *     connected --- connection gone ---> waiting --- resumeMs ---> over
 *         ^                                 |
 *         +------- HELLO with its name -----+
 */
import type UDX from 'udx-native'
import type UDXSocket from 'udx-native/lib/socket.js'
import { SOCKET_BUFFER, type TcpRelayLimits } from '../../limits.js'
import type { Clock, Timer } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'
import { Direction, type Shaper } from '../shaper.js'
import type { Channel, ChannelEvents } from './channel.js'
import { Destinations } from './destinations.js'
import { bound, CLOSE, FRAME_HEAD, PACKET_HEAD, packet } from './frames.js'
import { ipv4Number, ipv4Text } from './ipv4.js'
import { isAddressedTo, kindOf } from './packet-filter.js'

/** Where the packets of a relay's sessions go: out to the network, or to the one server that the relay is part of. */
export interface Uplink {
  /** The address that UDP ports are bound to. */
  readonly bindHost: string
  /** Whether packets may go to an address (network), or where they all go (server). */
  readonly to: { admits(host: number): boolean } | { server(): { host: string; port: number } | null }
}

export interface SessionParts {
  readonly udx: UDX
  readonly uplink: Uplink
  readonly shaper: Shaper
  readonly clock: Clock
  readonly limits: TcpRelayLimits
  /** Takes one of all sockets; false if there is none left. */
  takeSocket(session: RelaySession, port: number): boolean
  giveSocket(session: RelaySession, port: number): void
  /** The session is over. */
  onend(session: RelaySession): void
}

interface Port {
  readonly udp: UDXSocket
  usedAt: number
}

/** Size of a PACKET frame's head. */
const HEAD = FRAME_HEAD + PACKET_HEAD

export class RelaySession {
  /** Packets that were refused or found no room, for tests and the log. */
  refused = 0
  bytes = 0
  readonly #parts: SessionParts
  readonly #ports = new Map<number, Port>()
  /** Ports that may be opened: each takes the kernel some time, which all sessions share. */
  readonly #openings: TokenBucket
  readonly #destinations: Destinations
  readonly #up: Direction
  readonly #down: Direction
  #channel: Channel | null = null
  #waiting: Timer | null = null
  #over = false

  /**
   * @param name its secret
   * @param address the client's, which may change while it is away
   */
  constructor(
    readonly name: Buffer,
    public address: string,
    parts: SessionParts
  ) {
    this.#parts = parts
    const { limits, uplink } = parts
    const { to } = uplink
    this.#openings = new TokenBucket(limits.socketsPerSecond / 1000, limits.sessionSockets)
    this.#destinations = new Destinations(limits, host => 'server' in to || to.admits(host))
    const shaped = parts.shaper.session()
    this.#up = new Direction(shaped, frame => this.#sendUp(frame))
    this.#down = new Direction(shaped, frame => this.#channel?.sendPacket(frame))
  }

  get isConnected(): boolean {
    return this.#channel !== null
  }

  get sockets(): number {
    return this.#ports.size
  }

  /** Takes a connection, and ends the one that it had. */
  attach(channel: Channel): void {
    const before = this.#channel
    this.#channel = channel
    before?.close(CLOSE.resumed)
    this.#waiting?.cancel()
    this.#waiting = null
    channel.events = this.#eventsOf(channel)
    // What the client does not know if it was away.
    for (const [socket, { udp }] of this.#ports) channel.send(bound(socket, udp.address()!.port))
  }

  #eventsOf(channel: Channel): ChannelEvents {
    return {
      open: socket => this.#open(socket),
      close: socket => this.#close(socket),
      packet: (socket, host, port, payload) => this.#onPacket(socket, host, port, payload),
      closed: () => {
        if (this.#channel !== channel) return
        this.#channel = null
        const { clock, limits } = this.#parts
        if (!this.#over) this.#waiting = clock.after(limits.resumeMs, () => this.end(CLOSE.silent))
      }
    }
  }

  #open(socket: number): void {
    const port = this.#ports.get(socket)
    this.#channel?.send(bound(socket, port ? port.udp.address()!.port : this.#bind(socket)))
  }

  /** @returns the port; 0 if there is none */
  #bind(socket: number): number {
    const { udx, uplink, limits, clock } = this.#parts
    if (this.#ports.size >= limits.sessionSockets || !this.#openings.tryTake(1, clock.now())) return 0
    const udp = udx.createSocket()
    try {
      udp.bind(0, uplink.bindHost)
    } catch {
      void udp.close()
      return 0
    }
    const { port } = udp.address()!
    if (!this.#parts.takeSocket(this, port)) {
      void udp.close()
      return 0
    }
    try {
      udp.setRecvBufferSize(SOCKET_BUFFER)
    } catch {
      // The kernel's own size will do.
    }
    const entry: Port = { udp, usedAt: clock.now() }
    this.#ports.set(socket, entry)
    const isServer = 'server' in uplink.to
    udp.on('message', (payload: Buffer, from: { host: string; port: number }) => {
      if (!this.#channel || kindOf(payload) === null) return
      if (isServer && !this.#isServer(from)) return
      entry.usedAt = clock.now()
      this.bytes += payload.byteLength
      this.#down.offer(HEAD + payload.byteLength, () =>
        isServer ? packet(socket, 0, 0, payload) : packet(socket, ipv4Number(from.host), from.port, payload)
      )
    })
    return port
  }

  #isServer({ host, port }: { host: string; port: number }): boolean {
    const { to } = this.#parts.uplink
    const server = 'server' in to ? to.server() : null
    return server !== null && server.host === host && server.port === port
  }

  #close(socket: number): void {
    const port = this.#ports.get(socket)
    if (!port) return
    this.#ports.delete(socket)
    this.#parts.giveSocket(this, port.udp.address()!.port)
    void port.udp.close()
  }

  #onPacket(socket: number, host: number, port: number, payload: Buffer): void {
    const { uplink, clock } = this.#parts
    const { to } = uplink
    const entry = this.#ports.get(socket)
    const kind = kindOf(payload)
    const now = clock.now()
    const admitted =
      entry !== undefined &&
      kind !== null &&
      ('server' in to ||
        (port !== 0 &&
          (kind !== 'dht' || isAddressedTo(payload, host, port)) &&
          this.#destinations.admit(host, port, now)))
    if (!admitted) {
      this.refused++
      return
    }
    entry.usedAt = now
    this.bytes += payload.byteLength
    this.#up.offer(HEAD + payload.byteLength, () => packet(socket, host, port, payload))
  }

  #sendUp(frame: Buffer): void {
    const entry = this.#ports.get(frame.readUInt16BE(FRAME_HEAD))
    if (!entry) return
    const { to } = this.#parts.uplink
    const payload = frame.subarray(HEAD)
    if ('server' in to) {
      const server = to.server()
      if (server) entry.udp.trySend(payload, server.port, server.host)
      return
    }
    entry.udp.trySend(
      payload,
      frame.readUInt16BE(FRAME_HEAD + 6),
      ipv4Text(frame.readUInt32BE(FRAME_HEAD + 2))
    )
  }

  /** Closes what was not used for long, and a connection that is silent. */
  sweep(now: number): void {
    const { limits } = this.#parts
    this.#destinations.sweep(now)
    for (const [socket, { usedAt }] of this.#ports) {
      if (now - usedAt < limits.socketIdleMs) continue
      this.#close(socket)
      this.#channel?.send(bound(socket, 0))
    }
    if (this.#channel && now - this.#channel.lastReceived > limits.silentMs) this.#channel.terminate()
  }

  end(code: number): void {
    if (this.#over) return
    this.#over = true
    this.#waiting?.cancel()
    this.#channel?.close(code)
    for (const socket of [...this.#ports.keys()]) this.#close(socket)
    this.#up.clear()
    this.#down.clear()
    this.#parts.onend(this)
  }
}
