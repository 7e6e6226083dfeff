/** The one DHT node of this process: announces servers, looks for them, dials them. */
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { HyperNatError } from '../errors.js'
import type { DoctorLimits, Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { NetworkOptions } from '../options/entry.js'
import { systemClock } from '../util/clock.js'
import { Semaphore } from '../util/semaphore.js'
import { outsideAddresses } from './addresses.js'
import { Announcement } from './announcement.js'
import { Dht } from './dht.js'
import { DialAttempt, type DialDeps } from './dial-attempt.js'
import { GapWatch } from './gap-estimate.js'
import { wrapHandshakes } from './internals.js'
import { Ipv6 } from './ipv6/ipv6.js'
import { PendingHandshakes } from './ipv6/pending.js'
import { askLan, LanResponder } from './lan-search.js'
import { LastAddresses } from './last-addresses.js'
import { MessageBlocks, secretStreams } from './message-stream.js'
import type { NatFinding } from './nat.js'
import { type NetworkChange, NetworkWatch } from './network-watch.js'
import { isHomeAddress } from './path.js'
import type { PortMappingState } from './port-mapping.js'
import { RandomNats } from './random-nats.js'
import { Reachability } from './reachability.js'
import type { NetworkStatus } from './status.js'
import { StreamLink } from './stream-link.js'
import { survey } from './survey.js'
import type { Survey, TcpFinding } from './survey-finding.js'
import { Fallback, type FallbackChange } from './tcp-relay/fallback.js'
import { OwnRelay } from './tcp-relay/own-relay.js'
import { RelayedUdx } from './tcp-relay/relayed-udx.js'
import { announceTopic, type Found, lookUpTopic, type TopicAnnouncement } from './topic.js'
import { within } from './within.js'

const CLOSED = new HyperNatError('CLOSED', 'This node is closed.')

/** A server that is announced. */
export interface Announced {
  close(): Promise<void>
}

/** What a change of the way by TCP means for those who have connections. */
const TOLD: Record<FallbackChange, readonly NetworkChange[]> = {
  tcp: ['moved'],
  udp: ['moved', 'udp'],
  server: ['moved'],
  ports: ['lost']
}

/** Number of nodes, besides the bootstrap nodes, that are asked to find out whether UDP works. */
const PROBED_NODES = 3

export class Node {
  /** Second connections over IPv6; null where it is to be left alone. */
  readonly ipv6: Ipv6<StreamLink> | null
  readonly #dht: Dht
  /** Null where the LAN is to be left alone. */
  readonly #responder: LanResponder | null
  readonly #reachability: Reachability
  #starting: Promise<void>
  #started = false
  readonly #randomNats: RandomNats
  /** Keys of relays by UDP. */
  readonly #relays: readonly Uint8Array[]
  /** Null without relays by TCP, as most nodes are; then hyperdht uses udx-native itself. */
  readonly #udx: RelayedUdx | null
  /** Takes a relay by TCP where UDP is blocked; null if none is named. */
  readonly #fallback: Fallback | null
  /** Null unless the options say so. */
  readonly #ownRelay: OwnRelay | null
  readonly #dialDeps: DialDeps
  readonly #limits: Limits
  readonly #createSecretStream: HyperDHT.CreateSecretStream
  readonly #log: Log
  readonly #links = new Set<StreamLink>()
  readonly #gaps = new GapWatch(systemClock)
  /** Announce each server again. */
  readonly #announced = new Set<() => void>()
  readonly #announcing: Semaphore
  readonly #watch: NetworkWatch
  readonly #listeners = new Set<(changes: ReadonlySet<NetworkChange>) => void>()

  constructor(network: NetworkOptions, limits: Limits, log: Log) {
    this.#limits = limits
    this.#announcing = new Semaphore(limits.announcing)
    this.#createSecretStream = secretStreams(new MessageBlocks(limits))
    this.#log = log
    this.ipv6 =
      network.ipv6 === false
        ? null
        : new Ipv6({
            clock: systemClock,
            limits,
            log,
            createSecretStream: this.#createSecretStream,
            link: stream => this.#keep(new StreamLink(stream, limits))
          })
    const addresses = (network.relay ?? []).filter(relay => typeof relay === 'string')
    this.#ownRelay = network.tcp ? new OwnRelay(network.tcp, () => this.#dht.ownPort, log) : null
    this.#udx = addresses.length > 0 || network.tcp ? new RelayedUdx() : null
    const options = {
      ...(this.#udx && { udx: this.#udx }),
      ...(network.bootstrap && { bootstrap: network.bootstrap }),
      // The session's own pings keep the path open, and notice silence sooner.
      connectionKeepAlive: false as const,
      maxWindow: limits.dhtRequests
    }
    this.#dht = new Dht(options, systemClock, limits, log, host => this.#udx?.isServer(host) ?? false)
    this.#relays = (network.relay ?? []).filter(relay => typeof relay !== 'string')
    this.#fallback = this.#udx && addresses.length > 0 ? this.#createFallback(this.#udx, addresses) : null
    if (this.#udx) this.#udx.isLocal = (host, port) => this.#isByTcp(host, port)
    this.#reachability = new Reachability(this.#dht, network.portMapping !== false, limits, log, network.tcp)
    this.#randomNats = new RandomNats(this.#dht, limits.knownHosts)
    this.#responder = network.lan === false ? null : new LanResponder(() => this.#dht.ownPort, log)
    this.#starting = this.#start(limits.reachMs)
    this.#dialDeps = {
      dht: this.#dht,
      fallback: this.#fallback,
      ipv6: this.ipv6,
      askLan: network.lan === false ? null : askLan,
      randomNats: this.#randomNats,
      lastAddresses: new LastAddresses(limits.knownHosts),
      relayThrough: this.#dht.relayThrough(this.#relays, limits.relayRestMs),
      createSecretStream: this.#createSecretStream,
      whenOpen: (stream, onlink) => this.#whenOpen(stream, onlink),
      clock: systemClock,
      limits,
      log
    }
    this.#watch = new NetworkWatch(
      { clock: systemClock, limits, addresses: outsideAddresses, timeOfDay: Date.now },
      changes => this.#onChange(changes)
    )
    this.#dht.on('moved', () => this.#watch.report('moved'))
    this.#dht.on('back', () => this.#watch.report('back'))
    this.#dht.on('outage', () => this.#fallback?.check())
    this.#watch.start()
    this.#fallback?.start()
  }

  /** Dials wait until it is known whether others reach us, which tells servers how to reach us, but not for long. */
  #start(ms: number): Promise<void> {
    this.#started = false
    const starting = within(this.#reachability.open, ms).then(() => {
      if (this.#starting === starting) this.#started = true
    })
    return starting
  }

  #createFallback(udx: RelayedUdx, relays: readonly string[]): Fallback {
    return new Fallback({
      udx,
      relays,
      nodes: () => [...this.#dht.bootstrapAddresses, ...this.#dht.toArray({ limit: PROBED_NODES })],
      clock: systemClock,
      limits: this.#limits,
      log: this.#log,
      onchange: change => this.#onFallback(change)
    })
  }

  /**
   * Listens for guests that come by TCP, if the options say so.
   * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED, ADDRESS_NOT_HERE, CERTIFICATE_UNUSABLE
   */
  async listenTcp(): Promise<void> {
    await this.#ownRelay?.listen()
  }

  /** Whether packets from an address are those of a guest that comes through the relay in this process. */
  #isByTcp(host: string | null, port: number): boolean {
    return (this.#ownRelay?.clientAt(host, port) ?? null) !== null
  }

  #onFallback(change: FallbackChange): void {
    if (change === 'server') return this.#tell(new Set(TOLD.server))
    // UDP does not reach the port that the router maps.
    if (change === 'tcp') this.#dht.mapped = null
    this.#dht.resend()
    this.#relearn()
    this.#starting = this.#start(this.#limits.tcpReachMs)
    this.#announce()
    this.#tell(new Set(TOLD[change]))
  }

  /** Calls `listener` when the network has changed, at most once every few seconds. @returns a function that ends that */
  onChange(listener: (changes: ReadonlySet<NetworkChange>) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Nothing comes any more on a connection: is it our own address that has changed? */
  ask(): void {
    this.#dht.checkAddress()
    this.#fallback?.check()
  }

  #onChange(changes: ReadonlySet<NetworkChange>): void {
    this.#log.info({ changes: [...changes] }, 'the network has changed')
    this.#responder?.join()
    this.#fallback?.restart()
    // No answer has come since the last time that our address changed, if we do not know it.
    if (changes.has('lost') || changes.has('moved') || this.#dht.host === null) this.#relearn()
    else this.#dht.checkAddress()
    this.#announce()
    this.#tell(changes)
  }

  /** Finds out whether others reach us, and announces again if so. */
  #relearn(): void {
    void this.#reachability.relearn().then(open => {
      if (open) this.#announce()
    })
  }

  #announce(): void {
    for (const refresh of this.#announced) refresh()
  }

  #tell(changes: ReadonlySet<NetworkChange>): void {
    for (const listener of this.#listeners) listener(changes)
  }

  /** Where this node listens. */
  get port(): number {
    return this.#dht.port
  }

  /** How this machine is in the network, as far as it shows without asking. */
  status(): NetworkStatus {
    const { host, port, nodeCount, bootstrapped } = this.#dht
    return {
      nodes: nodeCount,
      bootstrapped,
      port: this.port,
      publicAddress: host,
      publicPort: port || null,
      nat: this.#reachability.nat,
      portMapping: this.portMapping,
      tcpPortMapping: this.#reachability.tcpPortMapping,
      tcpRelay: this.#fallback?.relay?.address.url ?? null
    }
  }

  /** How it stands with a port mapping on the router. */
  get portMapping(): PortMappingState {
    return this.#reachability.portMapping
  }

  /**
   * Announces a server and hands over each connection to it. Resolves when it can be found, or when no node of the network
   * has answered; then it goes on trying.
   * @param onreach called with whether the network is reached: false when it was not, true when it is after all
   * @param relayIdentity what relays know the server by
   * @param topic where the server is to be found besides
   * @param hides whether it must not answer the client of this key, which comes from this IPv4 address, if those who passed its
   * handshake on are right: before it tells an address, or sends anything there
   * @param signal gives up while it is not announced yet; the key is free again when this has rejected
   * @throws HyperNatError CLOSED
   */
  async announce(
    keyPair: HyperDHT.KeyPair,
    onlink: (link: StreamLink) => void,
    onreach: (reached: boolean) => void,
    relayIdentity?: HyperDHT.KeyPair,
    topic?: Uint8Array,
    hides: (clientKey: Uint8Array, address: string) => boolean = () => false,
    signal?: AbortSignal
  ): Promise<Announced> {
    const relayThrough = this.#dht.relayThrough(this.#relays, this.#limits.relayRestMs, relayIdentity)
    const options = {
      createSecretStream: this.#createSecretStream,
      // True leaves a client without an answer: for who it is, or because none is better than one that leads nowhere.
      firewall: async (clientKey: Uint8Array, _: unknown, { host, port }: HyperDHT.Address) => {
        const byTcp = this.#ownRelay?.clientAt(host, port)
        if (byTcp) return hides(clientKey, byTcp)
        if (hides(clientKey, host)) return true
        // A peer in the LAN comes straight here, without the DHT.
        return this.#dht.firewalled && !isHomeAddress(host) && !(await announcement.held())
      },
      ...(relayThrough && { relayThrough })
    }
    const pending = this.ipv6 && this.#pendingHandshakes(keyPair, onlink)
    const server = this.#dht.createServer(options, stream => {
      stream.on('error', noop)
      // A stream of hyperdht is open before anything has come.
      stream.rawStream.once('data', () => pending?.arrived(stream.handshakeHash))
      this.#whenOpen(stream, onlink)
    })
    if (this.ipv6 && pending) {
      const { ipv6 } = this
      wrapHandshakes(server, create => ipv6.handshakes(create, complete => pending.add(complete)))
      void ipv6.open()
    }
    let found: TopicAnnouncement | undefined
    const announcement = new Announcement(server, systemClock, this.#limits, reached => {
      if (reached) found?.refresh()
      onreach(reached)
    })
    const leave = await this.#announcing.enter()
    const { open, isKnown } = this.#reachability
    const started = this.#startAnnouncement(announcement, keyPair, signal)
    const isDone = started.then(() => {
      if (topic) found = announceTopic(this.#dht, topic, keyPair, server)
      return found?.announced
    })
    void within(isDone, this.#limits.announcingMs).then(leave)
    try {
      await started
    } catch (err) {
      pending?.stop()
      throw err
    }
    const refresh = (): void => {
      // The topic names the nodes that hold the announcement.
      announcement.refresh().then(() => found?.refresh(), noop)
    }
    this.#announced.add(refresh)
    const hide = this.#responder?.add(keyPair.publicKey)
    this.#reachability.addServer()
    // What was announced before that was known does not say it.
    if (!isKnown || this.#reachability.open !== open)
      void this.#reachability.open.then(isOpen => {
        if (isOpen) refresh()
      })
    return {
      close: async () => {
        this.#announced.delete(refresh)
        hide?.()
        pending?.stop()
        this.#reachability.removeServer()
        // Unannouncing asks the network, which may not answer.
        await within(Promise.all([found?.close(), announcement.close()]), this.#limits.closeMs)
      }
    }
  }

  async #startAnnouncement(
    announcement: Announcement,
    keyPair: HyperDHT.KeyPair,
    signal: AbortSignal | undefined
  ): Promise<void> {
    if (this.#dht.destroyed || signal?.aborted) throw CLOSED
    const close = (): Promise<void> => within(announcement.close(), this.#limits.closeMs)
    signal?.addEventListener('abort', close)
    await announcement.start(keyPair).finally(() => signal?.removeEventListener('abort', close))
    if (!signal?.aborted) return
    await close()
    throw CLOSED
  }

  /** Looks by IPv6 for the clients of this server that do not come by IPv4. */
  #pendingHandshakes(keyPair: HyperDHT.KeyPair, onlink: (link: StreamLink) => void): PendingHandshakes {
    const pending: PendingHandshakes = new PendingHandshakes({
      clock: systemClock,
      limits: this.#limits,
      search: handshake =>
        this.ipv6!.accept(handshake, keyPair, link => {
          pending.arrived(handshake.hash)
          onlink(link)
        })
    })
    return pending
  }

  /** Who announces a topic now: hosts, and perhaps strangers. */
  async lookUp(topic: Uint8Array): Promise<Found[]> {
    await this.#starting
    return lookUpTopic(this.#dht, topic)
  }

  #whenOpen(stream: SecretStream, onlink: (link: StreamLink) => void): void {
    stream.once('open', () => {
      const relay = this.#dht.relayOf(stream.rawStream)
      const { remoteHost, remotePort } = stream.rawStream
      const byTcp = this.#isByTcp(remoteHost, remotePort)
      const link = this.#keep(new StreamLink(stream, this.#limits, relay !== null, byTcp))
      link.onsuspect = () => {
        if (link.path === 'relayed') relay?.failed()
        this.#fallback?.check()
      }
      void link.closed.then(code => {
        // Perhaps it was the other side that went away; then another relay does no harm.
        if (link.path === 'relayed' && code !== 'CONNECTION_LOST') relay?.failed()
      })
      onlink(link)
    })
  }

  /** Ends it with the node, and watches it until then. */
  #keep(link: StreamLink): StreamLink {
    this.#links.add(link)
    const unwatch = this.#gaps.add(() => link.checkGap())
    void link.closed.then(() => {
      this.#links.delete(link)
      unwatch()
    })
    return link
  }

  /**
   * Dials the server whose announced key is `key`. Calls `done` once, with a link, or with why there is none.
   * @param relayAddresses DHT nodes that know the server, if any are known
   * @returns a function that gives up
   */
  dial(
    key: Uint8Array,
    keyPair: HyperDHT.KeyPair,
    done: (result: StreamLink | HyperNatError) => void,
    relayAddresses: readonly HyperDHT.Address[] = []
  ): () => void {
    let attempt: DialAttempt | null = null
    let closed = false
    const begin = (): void => {
      if (!closed) attempt = new DialAttempt(this.#dialDeps, { key, keyPair, relayAddresses }, done)
    }
    if (this.#started) begin()
    else void this.#starting.then(begin)
    return () => {
      closed = true
      attempt?.close()
    }
  }

  /**
   * Whether a server's NAT takes another port for each partner, as it said at the last dial; null when it said nothing: it was
   * not found, needed no punching, or both sides are random and gave up before.
   */
  isRandom(key: Uint8Array): boolean | null {
    return this.#randomNats.isRandom(key)
  }

  /** How many DHT nodes know a server by its announced key; 0 for none. */
  async find(key: Uint8Array): Promise<number> {
    let nodes = 0
    for await (const _ of this.#dht.findPeer(key)) nodes++
    return nodes
  }

  /** Looks at the network from here; takes 1 to 10 s. */
  async survey(limits: DoctorLimits): Promise<Survey> {
    await this.#fallback?.decided(limits.bootstrapMs)
    const found = await survey(this.#dht, this.#reachability.open, limits)
    if (!this.#fallback || this.#fallback.state === 'udp' || this.#fallback.relays.length === 0) {
      return { ...found, tcp: null }
    }
    const { relay, relays, servers } = this.#fallback
    const tcp: TcpFinding = {
      used: relay?.address.url ?? null,
      server: servers.length > 0,
      failed: relays.flatMap(({ isUp, refusal, address }) =>
        isUp ? [] : [{ address: address.url, why: refusal ?? 'unreachable' }]
      )
    }
    if (!relay) return { ...found, tcp }
    // The address that nodes observe is the relay's.
    const nat: NatFinding = { kind: 'blocked', unknown: null, publicAddresses: [], translated: null }
    return { ...found, nat, beyond: null, contact: 'blocked', tcp }
  }

  /**
   * Asks the router for a port that leads here, as servers do, finds out whether others reach it, and gives it back. Takes up
   * to 20 s where the router says nothing, or something wrong.
   * @returns how it went; `off` when the router is to be left alone, or when there is nobody who could try the port
   */
  async tryPortMapping(limits: DoctorLimits): Promise<PortMappingState> {
    if (this.#fallback?.relay) return { state: 'off' }
    return this.#reachability.tryPortMapping(limits)
  }

  /** Ends every connection; sessions go on over new ones. */
  drop(): void {
    for (const link of this.#links) link.destroy()
  }

  /** Ends every connection and leaves the DHT. */
  async close(): Promise<void> {
    this.#watch.stop()
    this.#gaps.close()
    this.#responder?.close()
    const ends: Promise<unknown>[] = [...this.#links].map(link => link.closed)
    ends.push(this.#reachability.close())
    await within(Promise.all(ends), this.#limits.closeMs)
    await this.#ownRelay?.close()
    await this.ipv6?.close()
    // The servers are closed; what is left of them could not unannounce.
    await this.#dht.destroy({ force: true })
    this.#fallback?.close()
  }
}

function noop(): void {}
