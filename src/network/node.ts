/** The one DHT node of this process: announces servers, looks for them, dials them. */
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { codeOf, type HyperNatError } from '../errors.js'
import type { DoctorLimits, Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { NetworkOptions } from '../options/entry.js'
import { systemClock } from '../util/clock.js'
import { outsideAddresses } from './addresses.js'
import { Announcement } from './announcement.js'
import { Dht } from './dht.js'
import { dialError, OFFLINE } from './dial-errors.js'
import { MessageBlocks, secretStreams } from './message-stream.js'
import { type NetworkChange, NetworkWatch } from './network-watch.js'
import type { PortMappingState } from './port-mapping.js'
import { BOTH_RANDOM, RandomNats } from './random-nats.js'
import { Reachability } from './reachability.js'
import type { NetworkStatus } from './status.js'
import { StreamLink } from './stream-link.js'
import { survey } from './survey.js'
import type { Survey } from './survey-finding.js'
import { announceTopic, type Found, lookUpTopic, type TopicAnnouncement } from './topic.js'
import { within } from './within.js'

/** A server that is announced. */
export interface Announced {
  close(): Promise<void>
}

export class Node {
  readonly #dht: Dht
  readonly #reachability: Reachability
  readonly #starting: Promise<void>
  #started = false
  readonly #randomNats: RandomNats
  readonly #relays: readonly Uint8Array[]
  readonly #dialRelay: (() => Uint8Array | null) | undefined
  readonly #limits: Limits
  readonly #createSecretStream: HyperDHT.CreateSecretStream
  readonly #log: Log
  readonly #links = new Set<StreamLink>()
  /** Announce each server again. */
  readonly #announced = new Set<() => void>()
  readonly #watch: NetworkWatch
  readonly #listeners = new Set<(changes: ReadonlySet<NetworkChange>) => void>()

  constructor(network: NetworkOptions, limits: Limits, log: Log) {
    this.#limits = limits
    this.#createSecretStream = secretStreams(new MessageBlocks(limits))
    this.#log = log
    const options = {
      ...(network.bootstrap && { bootstrap: network.bootstrap }),
      // The session's own pings keep the path open, and notice silence sooner.
      connectionKeepAlive: false as const
    }
    this.#dht = new Dht(options, systemClock, limits, log)
    this.#relays = network.relay ?? []
    this.#reachability = new Reachability(this.#dht, network.portMapping !== false, limits, log)
    this.#randomNats = new RandomNats(this.#dht, limits.knownHosts)
    this.#starting = within(this.#reachability.open, limits.reachMs).then(() => {
      this.#started = true
    })
    this.#dialRelay = this.#dht.relayThrough(this.#relays, limits.relayRestMs)
    this.#watch = new NetworkWatch(
      { clock: systemClock, limits, addresses: outsideAddresses, timeOfDay: Date.now },
      changes => this.#onChange(changes)
    )
    this.#dht.on('moved', () => this.#watch.report('moved'))
    this.#dht.on('back', () => this.#watch.report('back'))
    this.#watch.start()
  }

  /** Calls `listener` when the network has changed, at most once every few seconds. @returns a function that ends that */
  onChange(listener: (changes: ReadonlySet<NetworkChange>) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Nothing comes any more on a connection: is it our own address that has changed? */
  ask(): void {
    this.#dht.checkAddress()
  }

  #onChange(changes: ReadonlySet<NetworkChange>): void {
    this.#log.info({ changes: [...changes] }, 'the network has changed')
    const announce = (): void => {
      for (const refresh of this.#announced) refresh()
    }
    const announceIf = (open: boolean): void => {
      if (open) announce()
    }
    // No answer has come since the last time that our address changed, if we do not know it.
    if (changes.has('lost') || changes.has('moved') || this.#dht.host === null) {
      void this.#reachability.relearn().then(announceIf)
    } else this.#dht.checkAddress()
    announce()
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
      portMapping: this.portMapping
    }
  }

  /** How it stands with a port mapping on the router. */
  get portMapping(): PortMappingState {
    return this.#reachability.portMapping
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
      firewall: async (clientKey: Uint8Array, _: unknown, { host }: HyperDHT.Address) =>
        hides(clientKey, host) || (this.#dht.firewalled && !(await announcement.held())),
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
    this.#reachability.addServer()
    // What was announced says how to reach us.
    void this.#reachability.open.then(open => {
      if (open) refresh()
    })
    return {
      close: async () => {
        this.#announced.delete(refresh)
        this.#reachability.removeServer()
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
      const link = new StreamLink(stream, this.#limits, relay !== null)
      this.#links.add(link)
      link.onsuspect = () => relay?.failed()
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
      relayAddresses,
      holepunch: theirs => {
        this.#randomNats.learn(key, theirs)
        return true
      },
      ...(relayThrough && { relayThrough })
    })
    const punches = this.#dht.randomPunches
    const fail = (code: string): void => {
      if (this.#dht.nodeCount === 0) return settle(OFFLINE)
      const bothRandom = this.#randomNats.areBothRandom(code, punches, performance.now())
      settle(dialError(bothRandom ? BOTH_RANDOM : code))
    }
    const timeUp = (): void => {
      fail('TIMEOUT')
      stream.destroy()
    }
    let timer = setTimeout(() => {
      // Ports are being tried at random, which takes its time; a new dial would have to rest before it does so again.
      if (this.#dht.randomPunches > punches) timer = setTimeout(timeUp, this.#limits.randomPunchMs)
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
    return this.#randomNats.isRandom(key)
  }

  /** Asks the network who has heard of a server, by its announced key: how many nodes, 0 for none. */
  async find(key: Uint8Array): Promise<number> {
    let nodes = 0
    for await (const _ of this.#dht.findPeer(key)) nodes++
    return nodes
  }

  /** Looks at the network from here; takes 1 to 10 s. */
  survey(limits: DoctorLimits): Promise<Survey> {
    return survey(this.#dht, this.#reachability.open, limits)
  }

  /**
   * Asks the router for a port that leads here, as servers do, finds out whether others reach it, and gives it back. Takes up
   * to 20 s where the router says nothing, or something wrong.
   * @returns how it went; `off` when the router is to be left alone, or when there is nobody who could try the port
   */
  tryPortMapping(limits: DoctorLimits): Promise<PortMappingState> {
    return this.#reachability.tryPortMapping(limits)
  }

  /** Ends every connection; sessions go on over new ones. */
  drop(): void {
    for (const link of this.#links) link.destroy()
  }

  /** Ends every connection and leaves the DHT. */
  async close(): Promise<void> {
    this.#watch.stop()
    const ends: Promise<unknown>[] = [...this.#links].map(link => link.closed)
    ends.push(this.#reachability.close())
    await within(Promise.all(ends), this.#limits.closeMs)
    // The servers are closed; what is left of them could not unannounce.
    await this.#dht.destroy({ force: true })
  }
}

function noop(): void {}
