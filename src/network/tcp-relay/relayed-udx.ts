/**
 * A UDX whose packets travel by UDP or through a relay by TCP; hyperdht takes it in place of udx-native.
 *
 * Packets of DHT questions and answers are handed over as they are. Streams are libudx's own, which knows UDP sockets only: for each
 * partner there is a socket on the loopback interface that stands for it, the pump, and the stream is connected to that.
 *
 *     libudx stream <-> UDP socket <- loopback -> pump <-> relay connection
 */
import UDX from 'udx-native'
import type UDXSocket from 'udx-native/lib/socket.js'
import { SOCKET_BUFFER } from '../../limits.js'
import { MAX_UDP_PAYLOAD } from '../../wire/constants.js'
import { InternalUdxSocket, InternalUdxStream } from '../internals.js'
import type { RelayConnection } from './connection.js'
import { ipv4Number, ipv4Text } from './ipv4.js'
import { kindOf } from './packet-filter.js'

const LOOPBACK = '127.0.0.1'

/** Stands for a relay that is part of a server, which has no address of its own: reserved, so that nobody has it. */
const SERVER_NETWORK = 0xf0_00_00_00
const SERVER_PORT = 1

/** Pumps of one socket that no stream uses, and how long they are kept, ms. */
const IDLE_PUMPS = 32
const IDLE_PUMP_MS = 60_000

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export class RelayedUdx extends UDX {
  /** Pumps are of another UDX: libudx would take the packets that come there for those of its own streams. */
  readonly plain = new UDX()
  readonly #sockets = new Map<number, RelayedSocket>()
  readonly #connections = new Map<RelayConnection, ServerAddress | null>()
  readonly #servers = new Map<string, RelayConnection>()
  #route: RelayConnection | null = null
  #lastSocket = 0
  #lastServer = 0
  /** Whether packets to a port of this machine never go through a relay. */
  isLocal: (host: string, port: number) => boolean = () => false

  /** Through which relay packets go; null for UDP. */
  get route(): RelayConnection | null {
    return this.#route
  }

  set route(route: RelayConnection | null) {
    this.#route = route
    // Their ports are wanted before they send.
    if (route) for (const socket of this.#sockets.values()) socket.openAt(route)
  }

  /**
   * Takes the packets of a connection.
   * @param onchange called with `ports` in place of `up` when the relay has given other ports, at which nobody knows us
   */
  use(connection: RelayConnection, onchange: (what: 'up' | 'ports' | 'down') => void): void {
    this.#connections.set(connection, null)
    connection.events = {
      up: resumed => {
        if (connection.kind === 'server' && !this.#connections.get(connection)) this.#addServer(connection)
        let moved = false
        for (const socket of this.#sockets.values()) if (socket.reopen(connection, resumed)) moved = true
        onchange('up')
        if (moved) onchange('ports')
      },
      down: () => onchange('down'),
      bound: (socket, port) => this.#sockets.get(socket)?.boundAt(connection, port),
      packet: (socket, host, port, payload) => {
        const server = this.#connections.get(connection)
        this.#sockets
          .get(socket)
          ?.deliver(connection, server?.host ?? ipv4Text(host), server?.port ?? port, payload)
      }
    }
  }

  /** Forgets a connection; streams over it end by silence. */
  drop(connection: RelayConnection): void {
    if (this.#route === connection) this.#route = null
    const server = this.#connections.get(connection)
    if (server) this.#servers.delete(server.host)
    this.#connections.delete(connection)
    connection.events = { up() {}, down() {}, bound() {}, packet() {} }
    for (const socket of this.#sockets.values()) socket.forget(connection)
  }

  /** Whether a connection is one of ours still. */
  has(connection: RelayConnection): boolean {
    return this.#connections.has(connection)
  }

  /** Whether streams go through this connection. */
  uses(connection: RelayConnection): boolean {
    return [...this.#sockets.values()].some(socket => socket.uses(connection))
  }

  #addServer(connection: RelayConnection): void {
    const host = ipv4Text(SERVER_NETWORK + ++this.#lastServer)
    this.#connections.set(connection, { host, port: SERVER_PORT })
    this.#servers.set(host, connection)
  }

  /** Addresses that lead to the servers whose own relays are connected. */
  get serverAddresses(): ServerAddress[] {
    return [...this.#connections].flatMap(([{ isUp }, server]) => (server && isUp ? [server] : []))
  }

  /** Whether an address is one of those. */
  isServer(host: string): boolean {
    return this.#servers.has(host)
  }

  /** The way to an address. */
  routeTo(host: string, port: number): RelayConnection | null {
    const server = this.#servers.get(host)
    if (server) return server
    return this.#route && !this.isLocal(host, port) ? this.#route : null
  }

  add(socket: RelayedSocket): number {
    do this.#lastSocket = (this.#lastSocket % 65_535) + 1
    while (this.#sockets.has(this.#lastSocket))
    this.#sockets.set(this.#lastSocket, socket)
    return this.#lastSocket
  }

  remove(id: number): void {
    this.#sockets.delete(id)
    for (const connection of this.#connections.keys()) connection.closeSocket(id)
  }

  override createSocket(options?: object): RelayedSocket {
    return new RelayedSocket(this, options)
  }

  override createStream(id: number, options?: object): RelayedStream {
    return new RelayedStream(this, id, options)
  }

  /** None while packets go through a relay: nobody reaches us at our own addresses. */
  override networkInterfaces(): unknown[] {
    return this.#route ? [] : super.networkInterfaces()
  }
}

/** Stands for one partner, as a relay sees it. */
class Pump {
  readonly udp: UDXSocket
  readonly streams = new Set<RelayedStream>()
  usedAt = performance.now()

  constructor(
    readonly socket: RelayedSocket,
    readonly connection: RelayConnection,
    readonly host: string,
    readonly port: number
  ) {
    this.udp = socket.relayed.plain.createSocket()
    try {
      this.udp.bind(0, LOOPBACK)
    } catch (err) {
      void this.udp.close()
      throw err
    }
    try {
      this.udp.setRecvBufferSize(SOCKET_BUFFER)
    } catch {
      // The kernel's own size will do.
    }
    const to = ipv4Number(host)
    this.udp.on('message', (packet: Buffer, from: { host: string; port: number }) => {
      if (from.host !== LOOPBACK || from.port !== socket.localPort) return
      this.usedAt = performance.now()
      connection.sendPacket(socket.id, to, port, packet)
    })
  }

  get localPort(): number {
    return this.udp.address()!.port
  }

  deliver(packet: Buffer): void {
    this.usedAt = performance.now()
    this.udp.trySend(packet, this.socket.localPort, LOOPBACK)
  }

  close(): void {
    void this.udp.close()
  }
}

class RelayedSocket extends InternalUdxSocket {
  readonly id: number
  readonly relayed: RelayedUdx
  /** The relay's port for this socket, by its connection; 0 while it is not known. */
  readonly #ports = new Map<RelayConnection, number>()
  readonly #pumps = new Map<string, Pump>()
  readonly #byPort = new Map<number, Pump>()

  constructor(udx: RelayedUdx, options?: object) {
    super(udx, options)
    this.relayed = udx
    this.id = udx.add(this)
    this.once('close', () => {
      udx.remove(this.id)
      for (const pump of this.#pumps.values()) pump.close()
    })
  }

  /** Where libudx receives. */
  get localPort(): number {
    return super.address()?.port ?? 0
  }

  /** The port at which others see this socket, if it is known, and else its own. */
  override address(): { host: string; family: number; port: number } | null {
    const address = super.address()
    const { route } = this.relayed
    const port = route && this.#ports.get(route)
    return address && port ? { ...address, port } : address
  }

  override bind(port?: number, host?: string): void {
    super.bind(port, host)
    const { route } = this.relayed
    if (route) this.openAt(route)
  }

  /** Has the relay open a port, once. */
  openAt(connection: RelayConnection): void {
    if (!this.bound || this.closing || this.#ports.has(connection)) return
    this.#ports.set(connection, 0)
    connection.openSocket(this.id)
  }

  /**
   * The connection is open again.
   * @returns whether the port is lost at which others knew this socket
   */
  reopen(connection: RelayConnection, resumed: boolean): boolean {
    const port = this.#ports.get(connection)
    if (resumed && port !== undefined && port > 0) return false
    const wanted = port !== undefined || this.relayed.route === connection
    this.#ports.delete(connection)
    if (wanted) this.openAt(connection)
    return port !== undefined && port > 0
  }

  /** The relay's port; 0: it has none, and the next packet asks for one. */
  boundAt(connection: RelayConnection, port: number): void {
    if (port > 0) this.#ports.set(connection, port)
    else this.#ports.delete(connection)
  }

  forget(connection: RelayConnection): void {
    this.#ports.delete(connection)
    for (const pump of [...this.#pumps.values()]) if (pump.connection === connection) this.#closePump(pump)
  }

  uses(connection: RelayConnection): boolean {
    return [...this.#pumps.values()].some(pump => pump.connection === connection && pump.streams.size > 0)
  }

  override async send(packet: Uint8Array, port: number, host = LOOPBACK, ttl?: number): Promise<boolean> {
    const route = this.relayed.routeTo(host, port)
    if (!route) return super.send(packet, port, host, ttl)
    if (this.closing) return false
    this.#sendBy(route, packet, port, host)
    return true
  }

  override trySend(packet: Uint8Array, port: number, host = LOOPBACK, ttl?: number): void {
    const route = this.relayed.routeTo(host, port)
    if (!route) super.trySend(packet, port, host, ttl)
    else if (!this.closing) this.#sendBy(route, packet, port, host)
  }

  #sendBy(route: RelayConnection, packet: Uint8Array, port: number, host: string): void {
    // As UDP does; an answer to what a relay made up may be longer than a frame.
    if (packet.byteLength > MAX_UDP_PAYLOAD) return
    if (!this.bound) this.bind(0)
    this.openAt(route)
    route.sendPacket(this.id, ipv4Number(host), port, packet)
  }

  /** A packet has come from a relay. */
  deliver(connection: RelayConnection, host: string, port: number, packet: Buffer): void {
    if (!this.bound || this.closing) return
    const kind = kindOf(packet)
    if (kind === 'udx') this.#pumpOf(connection, host, port)?.deliver(packet)
    else if (kind) this.emit('message', packet, { host, family: 4, port })
  }

  protected override senderBehind(host: string, port: number): Pump | null {
    return this.pumpAt(host, port)
  }

  /** The pump that libudx knows by this address; null for a partner that is what it seems. */
  pumpAt(host: string, port: number): Pump | null {
    return (host === LOOPBACK && this.#byPort.get(port)) || null
  }

  /**
   * The pump through which a stream reaches an address; null for UDP.
   * @param arrival how the stream's first packet came, if it came from that address: what is sent back goes the same way
   */
  pumpTo(host: string, port: number, arrival: Arrival | null): Pump | null {
    const came = arrival && (arrival.connection === null || this.relayed.has(arrival.connection))
    const route = came ? arrival.connection : this.relayed.routeTo(host, port)
    if (!route) return null
    this.openAt(route)
    return this.#pump(route, host, port)
  }

  /** The pump of a sender, which may be anyone on the internet; null if no descriptor is left for one. */
  #pumpOf(connection: RelayConnection, host: string, port: number): Pump | null {
    try {
      return this.#pump(connection, host, port)
    } catch {
      return null
    }
  }

  #pump(connection: RelayConnection, host: string, port: number): Pump {
    const key = `${connection.address.text} ${host}:${port}`
    let pump = this.#pumps.get(key)
    if (pump) return pump
    this.#closeIdlePumps()
    pump = new Pump(this, connection, host, port)
    this.#pumps.set(key, pump)
    this.#byPort.set(pump.localPort, pump)
    return pump
  }

  #closeIdlePumps(): void {
    const idle = [...this.#pumps.values()].filter(({ streams }) => streams.size === 0)
    const old = performance.now() - IDLE_PUMP_MS
    idle.sort((a, b) => a.usedAt - b.usedAt)
    idle.forEach((pump, i) => {
      if (pump.usedAt < old || idle.length - i >= IDLE_PUMPS) this.#closePump(pump)
    })
  }

  #closePump(pump: Pump): void {
    this.#pumps.delete(`${pump.connection.address.text} ${pump.host}:${pump.port}`)
    this.#byPort.delete(pump.localPort)
    pump.close()
  }
}

/** Where a stream's first packet came from, and by which relay; null for UDP. */
interface Arrival {
  readonly host: string
  readonly port: number
  readonly connection: RelayConnection | null
}

export class RelayedStream extends InternalUdxStream {
  /** The relay that it goes through; null for UDP. */
  relay: RelayConnection | null = null
  #pump: Pump | null = null
  #arrival: Arrival | null = null

  override connect(
    socket: RelayedSocket,
    remoteId: number,
    port: number,
    host: string,
    options?: object
  ): void {
    const pump = this.#pumpTo(socket, host, port)
    super.connect(socket, remoteId, pump?.localPort ?? port, pump ? LOOPBACK : host, options)
    this.#remote(pump, host, port)
    this.once('close', () => this.#pump?.streams.delete(this))
  }

  override changeRemote(
    socket: RelayedSocket,
    remoteId: number,
    port: number,
    host: string
  ): Promise<void> | null {
    const before = this.#pump
    const pump = this.#pumpTo(socket, host, port)
    const changed = super.changeRemote(socket, remoteId, pump?.localPort ?? port, pump ? LOOPBACK : host)
    this.#remote(pump, host, port)
    // Until then libudx sends again what was under way, by the old way.
    const leave = (): void => {
      if (before !== this.#pump) before?.streams.delete(this)
    }
    if (changed) changed.then(leave, leave)
    else leave()
    return changed
  }

  #pumpTo(socket: RelayedSocket, host: string, port: number): Pump | null {
    const arrival = this.#arrival
    this.#arrival = null
    return socket.pumpTo(host, port, arrival?.host === host && arrival.port === port ? arrival : null)
  }

  #remote(pump: Pump | null, host: string, port: number): void {
    this.relay = pump?.connection ?? null
    this.remoteHost = host
    this.remotePort = port
    this.#pump = pump
    pump?.streams.add(this)
  }

  protected override onArrival(socket: RelayedSocket, host: string, port: number): Pump | null {
    const pump = socket.pumpAt(host, port)
    this.#arrival = {
      host: pump?.host ?? host,
      port: pump?.port ?? port,
      connection: pump?.connection ?? null
    }
    return pump
  }
}
