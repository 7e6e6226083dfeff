/**
 * The node's part in IPv6: sockets on this machine's own addresses, the searches that use them, and second connections over them.
 * hyperdht knows IPv4 only, so it has no part in this: a UDX of its own carries the streams.
 */
import type SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import UDX from 'udx-native'
import type UDXSocket from 'udx-native/lib/socket.js'
import type UDXStream from 'udx-native/lib/stream.js'
import { type Limits, SHARED_SOCKET_BUFFER } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { Clock, Timer } from '../../util/clock.js'
import { SingleFlight } from '../../util/single-flight.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import { MAX_ADDRESSES } from '../../wire/constants.js'
import { sourceAddress } from '../addresses.js'
import { chooseAddresses, mayProbe, ownIpv6Addresses } from './addresses.js'
import type { Pair } from './finder.js'
import { type CompleteHandshake, nameIpv6 } from './handshakes.js'
import { senderOf } from './probe.js'
import { ProbeBudget } from './probe-budget.js'
import {
  ClientSearch,
  type ClientSearchOptions,
  type Ipv6Host,
  type Opening,
  type SearchOptions,
  ServerSearch,
  type ServerSearchOptions,
  sameAddresses
} from './search.js'
import { StreamIds } from './stream-ids.js'

/** Somewhere in the internet, to learn which address packets leave from; nothing is sent there. */
const ANYWHERE = '2600::'

export interface Ipv6Deps<Link> {
  readonly clock: Clock
  readonly limits: Limits
  readonly log: Log
  readonly createSecretStream: HyperDHT.CreateSecretStream
  /** Makes a link of a stream that has opened. */
  readonly link: (stream: SecretStream) => Link
  /** This machine's addresses; left out: those that others may reach. */
  readonly addresses?: () => readonly string[]
  /** Whether packets may go from one of them to one of a peer's; left out: see {@link mayProbe}. */
  readonly allows?: (local: string, remote: Ipv6Address) => boolean
}

export interface ServerPathOptions<Link> extends SecondPathOptions<Link>, Pick<ServerSearchOptions, 'told'> {}

/** What the owner of a session says of itself and the other side. */
export interface SecondPathOptions<Link> extends SearchOptions {
  /** The own static key, and the one that the other side must hold. */
  readonly keyPair: HyperDHT.KeyPair
  readonly remoteKey: Uint8Array
  /** A second connection has opened. */
  readonly opened: (link: Link) => void
}

export interface ClientPathOptions<Link>
  extends SecondPathOptions<Link>,
    Pick<ClientSearchOptions, 'isRelayed' | 'measure' | 'history'> {}

export class Ipv6<Link> implements Ipv6Host {
  readonly clock: Clock
  readonly limits: Limits
  readonly allows: (local: string, remote: Ipv6Address) => boolean
  readonly admit: () => boolean
  readonly #deps: Ipv6Deps<Link>
  readonly #own: () => readonly string[]
  #udx: UDX | null = null
  readonly #sockets = new Map<string, UDXSocket>()
  /** By the name in the peer's probes. */
  readonly #searches = new Map<string, ClientSearch | ServerSearch>()
  readonly #ids = new StreamIds()
  /** Streams of each own address. */
  readonly #streams = new Map<UDXStream, string>()
  readonly #budget: ProbeBudget
  #addresses: readonly Ipv6Address[] = []
  /** The addresses of this machine at the last look. */
  #hosts: readonly string[] = []
  #complete = false
  #watch: Timer | null = null
  readonly #looks = new SingleFlight<void>()
  #closed = false

  constructor(deps: Ipv6Deps<Link>) {
    this.#deps = deps
    this.clock = deps.clock
    this.limits = deps.limits
    this.allows = deps.allows ?? mayProbe
    this.#own = deps.addresses ?? ownIpv6Addresses
    this.#budget = new ProbeBudget(deps.clock, deps.limits)
    this.admit = this.#budget.admit
  }

  get addresses(): readonly Ipv6Address[] {
    return this.#addresses
  }

  readonly send = (local: string, { host, port }: Ipv6Address, packet: Uint8Array): void => {
    const socket = this.#sockets.get(local)
    if (socket && !socket.closing) socket.trySend(packet, port, host)
  }

  /** Looks for a path beside a connection of a client's. */
  client(options: ClientPathOptions<Link>): ClientSearch {
    const opened = new Map<Opening, UDXStream>()
    const search = new ClientSearch(this, {
      ...options,
      prepare: () => {
        const raw = this.#createStream(() => true)
        const close = (): void => {
          opened.delete(end)
          raw.destroy()
        }
        const end = { id: raw.id, close }
        opened.set(end, raw)
        return end
      },
      connect: (end, pair, stream, done) => {
        const raw = opened.get(end)!
        opened.delete(end)
        this.#connect(true, raw, pair, stream, options, done)
      }
    })
    this.#begin(search, () => search.start())
    return search
  }

  /** Answers the search of a client. */
  server(options: ServerPathOptions<Link>, host: Ipv6Host = this): ServerSearch {
    const search = new ServerSearch(host, {
      ...options,
      accept: (pair, stream, over) => {
        let settled = false
        const settle = (): void => {
          if (settled) return
          settled = true
          timer.cancel()
          over()
        }
        const raw: UDXStream = this.#createStream((_, port, host) => {
          if (settled || host !== pair.remote.host || port !== pair.remote.port) return true
          settled = true
          timer.cancel()
          this.#connect(false, raw, pair, stream, options, over)
          return false
        })
        const timer = this.clock.after(this.limits.ipv6OpenMs, () => raw.destroy())
        raw.once('close', settle)
        return { id: raw.id, close: () => raw.destroy() }
      }
    })
    this.#begin(search, () => search.start())
    return search
  }

  /** Forgets a search; its packets are ignored from now on. */
  end(search: ClientSearch | ServerSearch): void {
    search.close()
    if (this.#searches.get(search.name) === search) this.#searches.delete(search.name)
  }

  #begin(search: ClientSearch | ServerSearch, start: () => void): void {
    this.#searches.set(search.name, search)
    void this.open().then(() => {
      if (this.#searches.get(search.name) === search) start()
    })
  }

  /** Opens sockets on this machine's addresses, and watches for others from now on. */
  async open(): Promise<void> {
    if (this.#closed) return
    this.#watch ??= this.clock.after(this.limits.ipv6WatchMs, this.#onWatch)
    await this.#look()
  }

  readonly #onWatch = (): void => {
    if (this.#closed) return
    this.#watch = this.clock.after(this.limits.ipv6WatchMs, this.#onWatch)
    void this.#look()
  }

  /** Makes handshakes that name this machine's addresses; see {@link nameIpv6}. */
  handshakes(
    create: HyperDHT.CreateHandshake,
    oncomplete: (complete: CompleteHandshake, keyPair: HyperDHT.KeyPair) => void
  ): HyperDHT.CreateHandshake {
    return (keyPair, remoteKey) =>
      nameIpv6(
        create(keyPair, remoteKey),
        () => this.#addresses,
        complete => oncomplete(complete, keyPair)
      )
  }

  /**
   * Looks for the path to a server by the handshake with it, once.
   * @param opened gets the connection, or null when there is none; in a later turn
   * @returns a function that gives up
   */
  dial(
    { sendKey, receiveKey, remoteKey, addresses }: CompleteHandshake,
    keyPair: HyperDHT.KeyPair,
    opened: (link: Link | null) => void
  ): () => void {
    const giveUp = (): void => {
      this.end(search)
      opened(null)
    }
    const search: ClientSearch = this.client({
      sendKey,
      receiveKey,
      keyPair,
      remoteKey,
      // Both sides know already.
      tell: () => search.onAddresses(addresses),
      isRelayed: () => true,
      measure: () => {},
      history: {
        addresses: [],
        waitMs: 0,
        clear() {},
        failed: giveUp
      },
      opened: link => {
        this.end(search)
        opened(link)
      }
    })
    void this.open().then(() => {
      const isOver = this.#searches.get(search.name) !== search
      const leads = addresses.some(theirs => this.#addresses.some(({ host }) => this.allows(host, theirs)))
      // A search that may ask nowhere would find nothing, and never say so.
      if (!isOver && !leads) giveUp()
    })
    return () => this.end(search)
  }

  /** Answers the search of a client by the handshake with it. @returns a function that ends it */
  accept(
    { sendKey, receiveKey, remoteKey, addresses }: CompleteHandshake,
    keyPair: HyperDHT.KeyPair,
    opened: (link: Link) => void
  ): () => void {
    const { clock, limits, allows, send } = this
    const own = (): readonly Ipv6Address[] => this.#addresses
    const host: Ipv6Host = {
      clock,
      limits,
      allows,
      send,
      admit: this.#budget.admitNew,
      get addresses() {
        return own()
      }
    }
    const told = { last: null }
    const search = this.server(
      { sendKey, receiveKey, keyPair, remoteKey, told, tell: () => {}, opened },
      host
    )
    search.onAddresses(addresses)
    return () => this.end(search)
  }

  /** Looks at this machine's addresses: opens sockets on new ones, and ends what used those that are gone. */
  #look(): Promise<void> {
    return this.#looks.run(() => this.#lookNow())
  }

  async #lookNow(): Promise<void> {
    if (this.#closed) return
    const hosts = this.#own()
    const same = hosts.length === this.#hosts.length && hosts.every(host => this.#hosts.includes(host))
    if (same && this.#complete) return
    this.#hosts = hosts
    const preferred = hosts.length > 0 ? await sourceAddress(ANYWHERE) : null
    if (this.#closed) return
    for (const host of [...this.#sockets.keys()]) if (!hosts.includes(host)) this.#lose(host)
    const chosen = chooseAddresses(hosts, preferred, MAX_ADDRESSES)
    const before = this.#addresses
    this.#addresses = chosen.flatMap(host => {
      const port = this.#portOf(host)
      return port === null ? [] : [{ host, port }]
    })
    // A new address cannot be used before the system has checked that no other computer in the LAN has it.
    this.#complete = this.#addresses.length === chosen.length
    if (sameAddresses(before, this.#addresses)) return
    this.#deps.log.debug({ addresses: this.#addresses.map(({ host }) => host) }, 'IPv6 addresses')
    for (const search of this.#searches.values()) search.changed()
  }

  /** The port of the socket on an own address; opens one if there is none. */
  #portOf(host: string): number | null {
    let socket = this.#sockets.get(host)
    if (!socket) {
      this.#udx ??= new UDX()
      socket = this.#udx.createSocket()
      try {
        socket.bind(0, host)
      } catch (err) {
        this.#deps.log.debug({ host, err }, 'no socket on this IPv6 address')
        void socket.close()
        return null
      }
      try {
        socket.setRecvBufferSize(SHARED_SOCKET_BUFFER)
      } catch {
        // Some systems refuse what is above their limit instead of giving the most they have.
      }
      socket.on('message', (packet: Uint8Array, from: Ipv6Address) => this.#onMessage(packet, host, from))
      this.#sockets.set(host, socket)
    }
    return socket.address()?.port ?? null
  }

  #lose(host: string): void {
    for (const [raw, local] of this.#streams) if (local === host) raw.destroy()
    void this.#sockets.get(host)?.close()
    this.#sockets.delete(host)
  }

  #onMessage(packet: Uint8Array, local: string, { host, port }: Ipv6Address): void {
    const sender = senderOf(packet)
    if (sender !== null) this.#searches.get(sender)?.receive(packet, local, { host, port })
  }

  /** @param firewall called with the sender of the first packet of a stream that is not connected; true refuses it */
  #createStream(firewall: (socket: unknown, port: number, host: string) => boolean): UDXStream {
    this.#udx ??= new UDX()
    const id = this.#ids.take()
    const raw = this.#udx.createStream(id, { framed: true, firewall })
    raw.on('error', noop)
    raw.once('close', () => {
      this.#ids.giveBack(id)
      this.#streams.delete(raw)
    })
    return raw
  }

  /** Connects a stream, and runs the Noise handshake on it. Calls back with whether the other side holds the key that it should. */
  #connect(
    isInitiator: boolean,
    raw: UDXStream,
    { local, remote }: Pair,
    remoteId: number,
    { keyPair, remoteKey, opened }: SecondPathOptions<Link>,
    done: (worked: boolean) => void
  ): void {
    const socket = this.#sockets.get(local)
    if (!socket || socket.closing) {
      raw.destroy()
      return done(false)
    }
    this.#streams.set(raw, local)
    raw.connect(socket, remoteId, remote.port, remote.host)
    const stream = this.#deps.createSecretStream(isInitiator, raw, {
      pattern: 'IK',
      keyPair,
      ...(isInitiator && { remotePublicKey: remoteKey })
    })
    let settled = false
    const settle = (worked: boolean): void => {
      if (settled) return
      settled = true
      timer.cancel()
      if (!worked) stream.destroy()
      done(worked)
    }
    const timer = this.clock.after(this.limits.ipv6OpenMs, () => settle(false))
    stream.on('error', noop)
    stream.once('close', () => settle(false))
    stream.once('open', () => {
      if (settled || !b4a.equals(stream.remotePublicKey, remoteKey)) return settle(false)
      // Before `done`, which may close what waits for the link.
      const link = this.#deps.link(stream)
      settle(true)
      opened(link)
    })
  }

  /** Ends searches, streams and sockets. */
  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.cancel()
    for (const search of [...this.#searches.values()]) this.end(search)
    for (const raw of [...this.#streams.keys()]) raw.destroy()
    const sockets = [...this.#sockets.values()]
    this.#sockets.clear()
    await Promise.all(sockets.map(socket => socket.close()))
  }
}

function noop(): void {}
