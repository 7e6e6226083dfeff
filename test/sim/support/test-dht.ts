/**
 * The twin of the DHT in memory: hosts and strangers that announce themselves under a topic, a key that all hosts share, and
 * one client's {@link Hosts} that looks for them, under a virtual clock.
 */
import b4a from 'b4a'
import type { HostNetwork, PathLink } from '../../../src/client/hosts/dialler.js'
import type { Host } from '../../../src/client/hosts/host.js'
import { Hosts } from '../../../src/client/hosts/hosts.js'
import { HyperNatError } from '../../../src/errors.js'
import type { DaemonEvent } from '../../../src/events.js'
import { childPublicKey, hostName } from '../../../src/identity/child.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { LIMITS, type Limits } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import type { NetworkChange } from '../../../src/network/network-watch.js'
import type { Found } from '../../../src/network/topic.js'
import { Resources } from '../../../src/sockets/resources.js'
import { Activity } from '../../../src/util/activity.js'
import { FEATURES, VERSIONS } from '../../../src/wire/constants.js'
import { welcomeFrame } from '../../../src/wire/frames.js'
import type { Link } from '../../../src/wire/link.js'
import { MemoryConnection } from '../../support/memory-link.js'
import { say } from '../../support/say.js'
import { MAPS, TestServer, World } from '../../support/session-peers.js'

/** How long a dial takes that nobody answers, ms: as hyperdht's to a server that was killed. */
const NOBODY_MS = 8000

/** How long it takes to hear that a key was never announced, ms. */
const UNKNOWN_MS = 100

/** Virtual time that passes before promises get their turn, ms. */
const STEP_MS = 10

/** A peer that can be dialled. */
export interface TestPeer {
  readonly key: Uint8Array
  /** To and from the client, ms. */
  readonly delay: number
  /** Whether it runs. */
  running: boolean
  /** Whether packets get through to it. */
  cut: boolean
  onLink(link: Link): void
}

/** A host, with what it was asked for. */
export class TestHost implements TestPeer {
  readonly key: Uint8Array
  running = true
  cut = false
  readonly server: TestServer

  constructor(
    world: World,
    sharedKey: Uint8Array,
    limits: Limits,
    readonly delay: number
  ) {
    const id = world.bytes(32)
    this.server = new TestServer(world, sharedKey, limits, id)
    this.key = childPublicKey(sharedKey, hostName(id))
  }

  onLink(link: Link): void {
    this.server.onLink(link)
  }
}

export class TestDht {
  readonly world: World
  readonly limits: Limits
  readonly publicKey = keyPairOf(new Secret('mysecret')).publicKey
  readonly #shared = childPublicKey(this.publicKey)
  readonly peers: TestPeer[] = []
  /** Whose announcement of the shared key was the last; null: nobody's is left. */
  announcer: TestPeer | null = null
  /** Keys in the order in which they were dialled. */
  readonly dials: string[] = []
  lookUps = 0
  readonly events: DaemonEvent[] = []
  readonly resources: Resources
  readonly hosts: Hosts
  readonly #connections = new Map<MemoryConnection, TestPeer>()
  #away = false
  #onchange: (changes: ReadonlySet<NetworkChange>) => void = () => {}

  constructor(limits: Partial<Limits> = {}, seed = 1) {
    this.world = new World(seed)
    this.limits = { ...LIMITS, ...limits }
    const { clock } = this.world
    this.resources = new Resources({ clock, limits: this.limits, log: silentLog, sockets: 1000 })
    this.hosts = new Hosts(
      {
        node: this.#network,
        publicKey: this.publicKey,
        keyPair: { publicKey: this.world.bytes(32), secretKey: this.world.bytes(64) },
        clock: this.world.clock,
        limits: this.limits,
        games: new Activity(),
        resources: this.resources,
        log: silentLog,
        random: size => this.world.bytes(size),
        timeOfDay: () => this.world.clock.now(),
        counted: () => {},
        tally: () => {},
        emit: event => this.events.push(event)
      },
      { up: () => {}, udp: () => {} }
    )
    this.hosts.setMaps(MAPS)
  }

  /** A host that starts now; what is announced last under the shared key is what is found there. */
  host(delay = 20): TestHost {
    const host = new TestHost(this.world, this.publicKey, this.limits, delay)
    this.peers.push(host)
    this.announcer = host
    return host
  }

  /** Somebody under the topic who knows nothing, and welcomes whoever comes. */
  stranger(): TestPeer {
    const { world } = this
    const stranger: TestPeer = {
      key: world.bytes(32),
      delay: 5,
      running: true,
      cut: false,
      onLink: link => {
        const message = () => {
          const frame = welcomeFrame({
            versions: VERSIONS,
            features: FEATURES,
            session: world.bytes(16),
            host: world.bytes(32),
            datagramKey: world.bytes(32),
            maps: MAPS,
            resumed: null
          })
          say(link, frame)
        }
        link.events = { message, datagram() {}, drain() {}, path() {}, close() {} }
      }
    }
    this.peers.push(stranger)
    return stranger
  }

  /** Ends without a word. */
  kill(host: TestPeer): void {
    host.running = false
    this.#hush()
  }

  cut(host: TestPeer, cut = true): void {
    host.cut = cut
    this.#hush()
  }

  /** Our own path is gone, or back. */
  away(away: boolean): void {
    this.#away = away
    this.#hush()
  }

  /** Our address is another one: what was connected to the old one hears nothing any more. */
  move(): void {
    for (const connection of this.#connections.keys()) connection.fallSilent()
    this.#connections.clear()
  }

  #reaches(peer: TestPeer): boolean {
    return peer.running && !peer.cut && !this.#away
  }

  #hush(): void {
    for (const [connection, peer] of this.#connections) {
      if (this.#reaches(peer)) connection.speakAgain()
      else connection.fallSilent()
    }
  }

  /** Lets `ms` pass, or less if `done` comes true before. @returns how much passed */
  async pass(ms: number, done: () => boolean = () => false): Promise<number> {
    const from = this.world.clock.now()
    while (this.world.clock.now() - from < ms && !done()) {
      this.world.pass(STEP_MS)
      await new Promise(resolve => setImmediate(resolve))
    }
    return this.world.clock.now() - from
  }

  /** How often it was dialled. */
  dialled(peer: TestPeer): number {
    const name = b4a.toString(peer.key, 'hex')
    return this.dials.filter(key => key === name).length
  }

  /** The one for new flows now. */
  get picked(): TestPeer | undefined {
    return this.#residentOf(this.hosts.pick(0))
  }

  #residentOf(host: Host | null): TestPeer | undefined {
    return host ? this.peers.find(({ key }) => b4a.equals(key, host.key)) : undefined
  }

  told<E extends DaemonEvent['event']>(name: E): Extract<DaemonEvent, { event: E }>[] {
    return this.events.filter((e): e is Extract<DaemonEvent, { event: E }> => e.event === name)
  }

  /** Tells the client that the network has changed. */
  change(...changes: NetworkChange[]): void {
    this.#onchange(new Set(changes))
  }

  readonly #network: HostNetwork = {
    onChange: listener => {
      this.#onchange = listener
      return () => {}
    },
    dial: (key, keyPair, done) => {
      const { clock } = this.world
      this.dials.push(b4a.toString(key, 'hex'))
      const peer = b4a.equals(key, this.#shared)
        ? this.announcer
        : this.peers.find(one => b4a.equals(one.key, key))
      const from = clock.now()
      const refuse = (code: 'SERVER_NOT_FOUND' | 'SERVER_NOT_RUNNING') => done(new HyperNatError(code, code))
      if (!peer) {
        const timer = clock.after(UNKNOWN_MS, () => refuse('SERVER_NOT_FOUND'))
        return () => timer.cancel()
      }
      const arrive = (): void => {
        if (this.#reaches(peer)) return this.#connect(peer, keyPair.publicKey, done)
        // The handshake is sent again and again.
        if (clock.now() - from >= NOBODY_MS) refuse('SERVER_NOT_RUNNING')
        else timer = clock.after(1000, arrive)
      }
      let timer = clock.after(2 * peer.delay, arrive)
      return () => timer.cancel()
    },
    lookUp: () =>
      new Promise(resolve => {
        this.lookUps++
        this.world.clock.after(150, () => {
          const found: Found[] = this.peers.map(({ key }) => ({ key, relayAddresses: [] }))
          resolve(this.#away ? [] : found)
        })
      })
  }

  #connect(peer: TestPeer, client: Uint8Array, done: (link: PathLink) => void): void {
    const { world } = this
    const connection = new MemoryConnection(world.clock, { delay: peer.delay }, world.random.next, {
      client,
      server: peer.key,
      handshakeHash: world.bytes(64)
    })
    this.#connections.set(connection, peer)
    peer.onLink(connection.server)
    done(Object.assign(connection.client, { path: 'direct' as const, onpath: () => {}, suspect: () => {} }))
  }
}
