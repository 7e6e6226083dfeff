/** The one DHT node of this process: announces servers, looks for them, dials them. */
import type SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import { systemClock } from '../clock.js'
import { codeOf, type HyperNatError } from '../errors.js'
import { type DoctorLimits, type Limits, OWN_RELAY_RATES, TCP_RELAY_LIMITS } from '../limits.js'
import { type Log, silentLog } from '../log.js'
import type { NetworkOptions, TcpOptions } from '../options/entry.js'
import type { NetworkStatus } from '../status.js'
import { outsideAddresses, ownAddresses } from './addresses.js'
import { Announcement } from './announcement.js'
import { Dht } from './dht.js'
import { dialError, OFFLINE } from './dial-errors.js'
import { MessageBlocks, secretStreams } from './message-stream.js'
import type { NatFinding, NatKind } from './nat.js'
import { type NetworkChange, NetworkWatch } from './network-watch.js'
import { isHomeAddress, pathOf } from './path.js'
import { PortMapping, type PortMappingState } from './port-mapping.js'
import { routerOpener } from './router.js'
import { Shaper } from './shaper.js'
import { StreamLink } from './stream-link.js'
import { type Survey, survey, type TcpFinding } from './survey.js'
import { Endpoint } from './tcp-relay/endpoint.js'
import { Fallback, type FallbackChange } from './tcp-relay/fallback.js'
import { relayAddress } from './tcp-relay/relay-address.js'
import { RelayedUdx } from './tcp-relay/relayed-udx.js'
import { announceTopic, type Found, lookUpTopic, type TopicAnnouncement } from './topic.js'
import { within } from './within.js'

/** A server that is announced. */
export interface Announced {
  close(): Promise<void>
}

/** hyperdht's code for two random NATs. */
const BOTH_RANDOM = 'HOLEPUNCH_DOUBLE_RANDOMIZED_NATS'

/** hyperdht's word for a NAT with another port for each partner; any smaller one can be punched by everybody. */
const FIREWALL_RANDOM = 3

/** hyperdht tries ports at random for up to 35 s, and rests 20 s before it does so again. */
const RANDOM_PUNCH_REST_MS = 60_000

const LOOPBACK = '127.0.0.1'

/** Nodes, besides those of the options, with which it is tried whether UDP works. */
const PROBED_NODES = 3

/** What a mapping that is not up leads to. */
const NOWHERE = { externalAddress: null, externalPort: 0 }

export class Node {
  readonly #dht: Dht
  /** True once it is known that others reach us unasked; begun anew when our address has changed. */
  #reach: Promise<boolean>
  #starting: Promise<void>
  #started = false
  /** Whether the NATs of servers that were dialled are random, as they said, by the key that was dialled in hex. */
  readonly #randomNats = new Map<string, boolean>()
  #lastRandomPunch = Number.NEGATIVE_INFINITY
  /** Keys of relays. */
  readonly #relays: readonly Uint8Array[]
  readonly #udx = new RelayedUdx()
  /** Takes a relay by TCP where UDP is blocked. */
  readonly #fallback: Fallback
  /** Where this process is itself one, for its own servers. */
  readonly #endpoint: Endpoint | null
  #listening: Promise<void> | null = null
  readonly #dialRelay: (() => Uint8Array | null) | undefined
  readonly #limits: Limits
  readonly #createSecretStream: HyperDHT.CreateSecretStream
  readonly #log: Log
  readonly #links = new Set<StreamLink>()
  /** Null when the router is to be left alone. */
  readonly #mapping: PortMapping | null
  /** Shows how it would stand with a port mapping. */
  #trial: PortMapping | null = null
  #servers = 0
  /** Announce each server again. */
  readonly #announced = new Set<() => void>()
  readonly #watch: NetworkWatch
  readonly #listeners = new Set<(changes: ReadonlySet<NetworkChange>) => void>()

  /** @param keyPair the key that servers see of this machine's clients */
  constructor(network: NetworkOptions, limits: Limits, log: Log) {
    this.#limits = limits
    this.#createSecretStream = secretStreams(new MessageBlocks(limits))
    this.#log = log
    const options = {
      ...(network.bootstrap && { bootstrap: network.bootstrap }),
      // The session's own pings keep the path open, and notice silence sooner.
      connectionKeepAlive: false as const,
      udx: this.#udx
    }
    this.#dht = new Dht(options, systemClock, limits, log)
    this.#relays = (network.relay ?? []).filter(relay => typeof relay !== 'string')
    this.#endpoint = network.tcp ? this.#createEndpoint(network.tcp) : null
    this.#dht.isOutside = host => this.#udx.isServer(host)
    this.#udx.isLocal = (host, port) => this.#isOwnRelay(host, port)
    this.#fallback = new Fallback({
      udx: this.#udx,
      relays: (network.relay ?? []).filter(relay => typeof relay === 'string'),
      nodes: () => [...this.#dht.bootstrapNodes, ...this.#dht.toArray({ limit: PROBED_NODES })],
      clock: systemClock,
      limits,
      log,
      onchange: change => this.#onFallback(change)
    })
    this.#reach = this.#dht.findReach()
    this.#starting = this.#start(limits.reachMs)
    this.#dialRelay = this.#dht.relayThrough(this.#relays, limits.relayRestMs)
    this.#mapping = network.portMapping === false ? null : this.#createMapping()
    this.#watch = new NetworkWatch(
      { clock: systemClock, limits, addresses: outsideAddresses, timeOfDay: Date.now },
      changes => this.#onChange(changes)
    )
    this.#dht.on('moved', () => this.#watch.report('moved'))
    this.#dht.on('back', () => this.#watch.report('back'))
    this.#dht.on('outage', () => this.#fallback.check())
    this.#watch.start()
    this.#fallback.start()
  }

  /** Dials wait until it is known whether others reach us, which tells servers how to reach us, but not for long. */
  #start(ms: number): Promise<void> {
    this.#started = false
    const starting = within(this.#reach, ms).then(() => {
      if (this.#starting === starting) this.#started = true
    })
    return starting
  }

  #createEndpoint({ port, host, address, tls }: TcpOptions): Endpoint {
    const token = address === undefined ? '' : relayAddress(address).token
    return new Endpoint({
      port,
      host,
      tls,
      tokens: token === '' ? [] : [token],
      uplink: {
        bindHost: LOOPBACK,
        to: { server: () => ({ host: LOOPBACK, port: this.#udx.localPortOf(this.#dht.io.serverSocket) }) }
      },
      shaper: new Shaper(systemClock, OWN_RELAY_RATES),
      clock: systemClock,
      limits: TCP_RELAY_LIMITS,
      log: this.#log
    })
  }

  /**
   * Listens for guests who come by TCP, if that was asked for.
   * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED, CERTIFICATE_UNUSABLE
   */
  listenTcp(): Promise<void> {
    this.#listening ??= this.#endpoint?.start() ?? Promise.resolve()
    return this.#listening
  }

  /** Whether an address is that of a guest who comes through the relay in this process. */
  #isOwnRelay(host: string, port: number): boolean {
    return host === LOOPBACK && this.#endpoint !== null && this.#endpoint.clientOf(port) !== null
  }

  #onFallback(change: FallbackChange): void {
    if (change === 'server') return this.#tell(new Set(['moved']))
    // What the router maps, UDP does not reach.
    if (change === 'tcp') this.#dht.mapped = null
    this.#dht.resend()
    this.#relearn()
    this.#starting = this.#start(this.#limits.tcpReachMs)
    this.#announce()
    this.#tell(new Set(change === 'udp' ? ['moved', 'udp'] : ['moved']))
  }

  /** Calls `listener` when the network has changed, at most once every few seconds. @returns a function that ends that */
  onChange(listener: (changes: ReadonlySet<NetworkChange>) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Nothing comes any more on a connection: is it our own address that has changed? */
  ask(): void {
    this.#dht.ask()
    this.#fallback.check()
  }

  #onChange(changes: ReadonlySet<NetworkChange>): void {
    this.#log.info({ changes: [...changes] }, 'the network has changed')
    this.#fallback.check()
    // No answer has come since the last time that our address changed, if we do not know it.
    if (changes.has('lost') || changes.has('moved') || this.#dht.host === null) this.#relearn()
    else this.#dht.ask()
    this.#announce()
    this.#tell(changes)
  }

  /** Finds out whether others reach us, and announces again if so. */
  #relearn(): void {
    this.#reach = this.#dht.relearn().catch(() => false)
    this.#reach.then(open => {
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
    const { host, port, nodes, bootstrapped } = this.#dht
    return {
      nodes: nodes.length,
      bootstrapped,
      port: this.port,
      publicAddress: host,
      publicPort: port || null,
      nat: this.#nat(),
      portMapping: this.portMapping,
      tcpRelay: this.#fallback.relay?.address.url ?? null
    }
  }

  #nat(): NatKind {
    const { host, firewalled, randomized } = this.#dht
    if (!firewalled) return 'open'
    if (host === null) return 'unknown'
    if (ownAddresses().includes(host)) return isHomeAddress(host) ? 'unknown' : 'firewall'
    return randomized ? 'symmetric' : 'cone'
  }

  /** How it stands with a port mapping on the router. */
  get portMapping(): PortMappingState {
    return this.#mapping?.state ?? { state: 'off' }
  }

  #createMapping(): PortMapping {
    const dht = this.#dht
    const mapping = new PortMapping({
      openRouter: routerOpener(this.#limits, this.#log),
      others: dht,
      clock: systemClock,
      limits: this.#limits,
      log: this.#log,
      onchange(state) {
        const { externalAddress: host, externalPort: port } = state.state === 'mapped' ? state : NOWHERE
        dht.mapped = host === null ? null : { host, port }
      }
    })
    let online = true
    dht.on('network-change', () => mapping.restart())
    dht.on('network-update', () => {
      // A router that was away has perhaps been restarted, and has forgotten its mappings then.
      if (dht.online && !online) mapping.restart()
      online = dht.online
    })
    dht.on('nat-update', (host: string | null) => {
      if (host === null) return
      // Perhaps there is a router in between now.
      if (mapping.state.state === 'unneeded') this.#mapPort(mapping)
      else mapping.recheck()
    })
    dht.on('missed', () => mapping.recheck())
    return mapping
  }

  /** Gets the port of this node mapped, while there is a server, if a router is between us and others. */
  async #mapPort(mapping: PortMapping): Promise<void> {
    const host = await this.#dht.seen()
    if (this.#servers === 0) return
    if (this.#isOwn(host)) mapping.skip()
    else mapping.start(this.#dht.ownPort)
  }

  /** Whether others who see us at this address see us as we are, without a router in between. */
  #isOwn(host: string): boolean {
    return pathOf(host) === 'lan' || ownAddresses().includes(host)
  }

  /**
   * Announces a server and hands over each connection to it. Resolves when it can be found, or when no node of the network
   * has answered; then it goes on trying.
   * @param onreach hears whether the network is reached: false when it was not, true when it is after all
   * @param relayIdentity what relays know the server by
   * @param topic where the server is to be found besides
   * @param hides whether it shall not answer the client of this key, who comes from this IPv4 address, if those who passed its
   * handshake on are right: before it tells an address, or sends anything there
   */
  async announce(
    keyPair: HyperDHT.KeyPair,
    onlink: (link: StreamLink) => void,
    onreach: (reached: boolean) => void,
    relayIdentity?: HyperDHT.KeyPair,
    topic?: Uint8Array,
    hides: (clientKey: Uint8Array, address: string) => boolean = () => false
  ): Promise<Announced> {
    const relayThrough = this.#dht.relayThrough(this.#relays, this.#limits.relayRestMs, relayIdentity)
    const options = {
      createSecretStream: this.#createSecretStream,
      // True leaves a client without an answer: for who it is, or because none is better than one that leads nowhere.
      firewall: async (clientKey: Uint8Array, _: unknown, { host, port }: HyperDHT.Address) => {
        const byTcp = host === LOOPBACK ? this.#endpoint?.clientOf(port) : null
        if (byTcp) return hides(clientKey, byTcp)
        return hides(clientKey, host) || (this.#dht.firewalled && !(await announcement.held()))
      },
      ...(relayThrough && { relayThrough })
    }
    const server = this.#dht.createServer(options, stream => {
      stream.on('error', noop)
      this.#whenOpen(stream, onlink)
    })
    let found: TopicAnnouncement | undefined
    const announcement = new Announcement(server, systemClock, this.#limits, reached => {
      if (reached) found?.refresh()
      onreach(reached)
    })
    await announcement.start(keyPair)
    if (topic) found = announceTopic(this.#dht, topic, keyPair, server)
    const refresh = (): void => {
      // The topic names the nodes that hold the announcement.
      announcement.refresh().then(() => found?.refresh(), noop)
    }
    this.#announced.add(refresh)
    if (this.#servers++ === 0 && this.#mapping) this.#mapPort(this.#mapping)
    // What was announced says how to reach us.
    this.#reach.then(open => {
      if (open) refresh()
    })
    return {
      close: async () => {
        this.#announced.delete(refresh)
        if (--this.#servers === 0) this.#mapping?.close()
        // Unannouncing asks the network, which may not answer.
        await within(Promise.all([found?.close(), announcement.close()]), this.#limits.closeMs)
      }
    }
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
      const byTcp = this.#isOwnRelay(remoteHost ?? '', remotePort)
      const link = new StreamLink(stream, this.#limits, relay !== null, byTcp)
      this.#links.add(link)
      link.onsuspect = () => {
        if (link.path === 'relayed') relay?.failed()
        this.#fallback.check()
      }
      link.closed.then(code => {
        this.#links.delete(link)
        // Perhaps it was the other side that went away; then another relay does no harm.
        if (link.path === 'relayed' && code !== 'CONNECTION_LOST') relay?.failed()
      })
      onlink(link)
    })
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
    if (this.#started) return this.#dialNow(key, keyPair, done, relayAddresses)
    let giveUp: (() => void) | null = () => {}
    this.#starting.then(() => {
      if (giveUp) giveUp = this.#dialNow(key, keyPair, done, relayAddresses)
    })
    return () => {
      giveUp?.()
      giveUp = null
    }
  }

  #dialNow(
    key: Uint8Array,
    keyPair: HyperDHT.KeyPair,
    done: (result: StreamLink | HyperNatError) => void,
    relayAddresses: readonly HyperDHT.Address[]
  ): () => void {
    let settled = false
    const settle = (result: StreamLink | HyperNatError): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      done(result)
    }
    const relayThrough = this.#dialRelay
    const stream = this.#dht.connect(key, {
      keyPair,
      createSecretStream: this.#createSecretStream,
      relayAddresses: [...this.#fallback.servers, ...relayAddresses],
      holepunch: theirs => {
        this.#learnNat(b4a.toString(key, 'hex'), theirs >= FIREWALL_RANDOM)
        return true
      },
      ...(relayThrough && { relayThrough })
    })
    const punches = this.#dht.stats.punches.random
    const fail = (code: string): void => {
      this.#fallback.check()
      if (this.#dht.nodes.length === 0) return settle(OFFLINE)
      settle(dialError(this.#bothRandom(code, punches) ? BOTH_RANDOM : code))
    }
    const timeUp = (): void => {
      fail('TIMEOUT')
      stream.destroy()
    }
    let timer = setTimeout(() => {
      // Ports are being tried at random, which takes its time; a new dial would have to rest before it does so again.
      if (this.#dht.stats.punches.random > punches) timer = setTimeout(timeUp, this.#limits.randomPunchMs)
      else timeUp()
    }, this.#limits.dialMs)
    this.#whenOpen(stream, link => (settled ? link.destroy() : settle(link)))
    stream.on('error', (err: unknown) => {
      if (settled) return
      const code = codeOf(err)
      this.#log.debug({ code }, 'dial failed')
      fail(code)
    })
    stream.on('close', () => fail('CLOSED'))
    return () => {
      settled = true
      clearTimeout(timer)
      stream.destroy()
    }
  }

  /**
   * Whether a server's NAT takes another port for each partner, as it said at the last dial; null when it said nothing: it was
   * not found, needed no punching, or both sides are random and gave up before.
   */
  isRandom(key: Uint8Array): boolean | null {
    return this.#randomNats.get(b4a.toString(key, 'hex')) ?? null
  }

  /** Asks the network who has heard of a server, by its announced key: how many nodes, 0 for none. */
  async find(key: Uint8Array): Promise<number> {
    let nodes = 0
    for await (const _ of this.#dht.findPeer(key)) nodes++
    return nodes
  }

  /** Looks at the network from here; takes 1 to 10 s. */
  async survey(limits: DoctorLimits): Promise<Survey> {
    await this.#fallback.decided(limits.bootstrapMs)
    const found = await survey(this.#dht, this.#reach, limits)
    const { state, relay, relays } = this.#fallback
    if (state === 'udp' || relays.length === 0) return { ...found, tcp: null }
    const tcp: TcpFinding = {
      used: relay?.address.url ?? null,
      server: this.#fallback.servers.length > 0,
      failed: relays.flatMap(({ isUp, refusal, address }) =>
        isUp ? [] : [{ address: address.url, why: refusal ?? 'unreachable' }]
      )
    }
    if (!relay) return { ...found, tcp }
    // What nodes see is the relay.
    const nat: NatFinding = { kind: 'blocked', unknown: null, publicAddresses: [], translated: null }
    return { ...found, nat, beyond: null, contact: 'blocked', tcp }
  }

  #learnNat(name: string, random: boolean): void {
    // Strangers under a topic have keys without end.
    this.#randomNats.delete(name)
    if (this.#randomNats.size >= this.#limits.knownHosts) {
      this.#randomNats.delete(this.#randomNats.keys().next().value!)
    }
    this.#randomNats.set(name, random)
  }

  /**
   * Asks the router for a port that leads here, as servers do, finds out whether others reach it, and gives it back. Takes up
   * to 20 s where the router says nothing, or something wrong.
   * @returns how it went; `off` when the router is to be left alone, or when there is nobody who could try the port
   */
  async tryPortMapping(limits: DoctorLimits): Promise<PortMappingState> {
    if (!this.#mapping || this.#trial || this.#fallback.relay) return { state: 'off' }
    // A server here has one.
    if (this.#servers > 0) return this.#mapping.state
    // With a port mapped others would seem to reach us unasked.
    await within(this.#reach, limits.bootstrapMs)
    if (this.#dht.destroyed || this.#dht.nodes.length === 0) return { state: 'off' }
    const { host } = this.#dht
    if (host !== null && this.#isOwn(host)) return { state: 'unneeded' }
    let found = (_: PortMappingState): void => {}
    const end = new Promise<PortMappingState>(resolve => {
      found = resolve
    })
    const trial = new PortMapping({
      openRouter: routerOpener(this.#limits, this.#log),
      others: this.#dht,
      clock: systemClock,
      limits: { ...this.#limits, portChecks: limits.portChecks, portCheckMs: limits.portCheckMs },
      log: silentLog,
      // It is off when the node was closed meanwhile.
      onchange: state => {
        if (state.state !== 'searching') found(state)
      }
    })
    this.#trial = trial
    trial.start(this.#dht.ownPort)
    const state = await end
    await trial.close()
    this.#trial = null
    return state
  }

  /** Ends every connection; sessions go on over new ones. */
  drop(): void {
    for (const link of this.#links) link.destroy()
  }

  /**
   * Whether a dial failed because both NATs are random. hyperdht has a code for it but ends the stream with another before it
   * comes to that: it gives up at once, without trying, though our NAT is random and it is not too soon to try again.
   * @param before how often ports had been tried at random before the dial
   */
  #bothRandom(code: string, before: number): boolean {
    const now = performance.now()
    if (this.#dht.stats.punches.random > before) this.#lastRandomPunch = now
    const soon = now - this.#lastRandomPunch < RANDOM_PUNCH_REST_MS
    return code === 'HOLEPUNCH_ABORTED' && this.#dht.randomized && !soon
  }

  /** Ends every connection and leaves the DHT. */
  async close(): Promise<void> {
    this.#watch.stop()
    const ends: Promise<unknown>[] = [...this.#links].map(link => link.closed)
    for (const mapping of [this.#mapping, this.#trial]) if (mapping) ends.push(mapping.close())
    await within(Promise.all(ends), this.#limits.closeMs)
    await this.#endpoint?.close()
    // The servers are closed; what is left of them could not unannounce.
    await this.#dht.destroy({ force: true })
    this.#fallback.close()
  }
}

function noop(): void {}
