/**
 * A client and a server without sockets: they greet, attach and resume as `client.ts` and `server.ts` do, over memory links
 * under a virtual clock.
 */
import b4a from 'b4a'
import { type ErrorCode, HyperNatError } from '../../src/errors.js'
import type { ByteFlow } from '../../src/flows/byte-flow.js'
import { RateLimiter } from '../../src/flows/rate-limiter.js'
import { LIMITS, type Limits } from '../../src/limits.js'
import { ClientSession, type ClientSessionEvents } from '../../src/session/client-session.js'
import { clientHandshake, serverHandshake } from '../../src/session/handshake.js'
import { ServerSession, type ServerSessionEvents } from '../../src/session/server-session.js'
import type { SessionEvents } from '../../src/session/session.js'
import { Activity } from '../../src/util/activity.js'
import { Budget } from '../../src/util/budget.js'
import { FEATURES, VERSIONS } from '../../src/wire/constants.js'
import { welcomeFrame } from '../../src/wire/frames.js'
import type { Hello, Welcome, WireMap } from '../../src/wire/handshake.js'
import type { Link } from '../../src/wire/link.js'
import { Random } from '../sim/support/random.js'
import { VirtualClock } from '../sim/support/virtual-clock.js'
import { MemoryConnection, type MemoryLinkOptions } from './memory-link.js'
import { say } from './say.js'

export const MAPS: readonly WireMap[] = [
  { id: 1, proto: 'tcp', port: 80 },
  { id: 2, proto: 'udp', port: 53 }
]

/** What a session told its owner, in order: `up`, `resumed`, `lost CODE`, `ended CODE`, `silent`. */
export type Told = string[]

export interface UdpPayload {
  readonly map: number
  readonly flow: number
  readonly payload: Uint8Array
}

function listen(told: Told, udp: UdpPayload[], more: Partial<SessionEvents> = {}): SessionEvents {
  return {
    up: resumed => {
      told.push(resumed ? 'resumed' : 'up')
      more.up?.(resumed)
    },
    lost: code => {
      told.push(`lost ${code}`)
      more.lost?.(code)
    },
    ended: (code, reason, wasUp) => {
      told.push(`ended ${code}`)
      more.ended?.(code, reason, wasUp)
    },
    silent: ms => more.silent?.(ms),
    addresses: addresses => more.addresses?.(addresses),
    udp: (map, flow, payload) => udp.push({ map, flow, payload: b4a.from(payload) })
  }
}

/** The server's side for one or more clients. */
export class TestServer {
  readonly told: Told = []
  readonly udp: UdpPayload[] = []
  readonly sessions = new Map<string, { session: ServerSession; key: Uint8Array }>()
  readonly errors: HyperNatError[] = []
  /** Answers the OPENs of clients; an unknown map is refused before. */
  open: (flow: ByteFlow, session: ServerSession) => ErrorCode | null = () => null

  constructor(
    readonly world: World,
    readonly sharedKey: Uint8Array,
    readonly limits: Limits,
    /** Its id among the hosts of the key. */
    readonly host: Uint8Array = b4a.alloc(32, 4)
  ) {
    this.startedAt = world.clock.now()
    this.memory = new Budget(limits.keyBytes)
  }

  /** What waits for or from its guests. */
  readonly memory: Budget

  /** The feature bits in its WELCOME. */
  features = FEATURES

  /** When it was started, by the clock of its world. */
  readonly startedAt: number

  /** The one session there is. */
  get session(): ServerSession {
    return [...this.sessions.values()][0]!.session
  }

  /** The session of one of several clients. */
  sessionOf(client: TestClient): ServerSession {
    return [...this.sessions.values()].find(({ key }) => b4a.equals(key, client.key))!.session
  }

  onLink(link: Link): void {
    const { clock } = this.world
    const { sharedKey } = this
    serverHandshake({ link, sharedKey, clock, timeoutMs: this.limits.greetingMs }, result => {
      if (result instanceof HyperNatError) this.errors.push(result)
      else this.#onHello(link, result)
    })
  }

  /** As {@link Server} does. */
  #onHello(link: Link, hello: Hello): void {
    for (const id of hello.over ?? []) {
      const over = this.sessions.get(b4a.toString(id, 'hex'))
      if (over && b4a.equals(over.key, link.remoteKey)) over.session.close('SESSION_EXPIRED')
    }
    const known = hello.resume && this.sessions.get(b4a.toString(hello.resume.session, 'hex'))
    const resumed = known && b4a.equals(known.key, link.remoteKey) ? known.session : null
    const session = resumed ?? this.#admit(link)
    const sendKey = this.world.bytes(32)
    const frame = welcomeFrame({
      versions: VERSIONS,
      features: this.features,
      session: session.id,
      host: this.host,
      datagramKey: sendKey,
      maps: MAPS,
      resumed: resumed ? { highest: resumed.flows.tcp.highest, flows: resumed.flows.tcp.positions() } : null,
      uptime: this.world.clock.now() - this.startedAt
    })
    say(link, frame)
    session.attach({
      link,
      sendKey,
      receiveKey: b4a.from(hello.datagramKey),
      features: hello.features,
      resumed: resumed ? hello.resume : null
    })
  }

  #admit(link: Link): ServerSession {
    const id = this.world.bytes(16)
    const name = b4a.toString(id, 'hex')
    const session: ServerSession = new ServerSession(
      id,
      {
        ...this.world.outside(this.limits),
        games: this.world.games.server,
        rateLimiter: new RateLimiter(
          this.world.clock,
          this.limits,
          () => {},
          () => false,
          this.memory
        )
      },
      {
        ...listen(this.told, this.udp, { ended: () => this.sessions.delete(name) }),
        open: flow => (flow.map === 1 ? this.open(flow, session) : 'MAP_NOT_SHARED')
      } satisfies ServerSessionEvents
    )
    this.sessions.set(name, { session, key: link.remoteKey })
    return session
  }
}

/** A client that dials when it is told to. */
export class TestClient {
  readonly told: Told = []
  readonly udp: UdpPayload[] = []
  readonly errors: HyperNatError[] = []
  session: ClientSession | null = null
  /** The connection dialled last. */
  connection: MemoryConnection | null = null
  /** Hears of each welcome, after the session has been attached. */
  onwelcome: (welcome: Welcome) => void = () => {}
  /** Events of the session that a test wants to hear besides. */
  more: Partial<ClientSessionEvents> = {}
  /** Seals the client's datagrams on the connection dialled last. */
  sendKey: Uint8Array | null = null
  #greeting = false

  constructor(
    readonly world: World,
    readonly server: TestServer,
    readonly key: Uint8Array,
    readonly limits: Limits
  ) {}

  /** Dials over a new connection, unless that is under way; greets when it is open, one delay later. */
  dial(
    options: MemoryLinkOptions = this.world.linkOptions,
    sharedKey = this.server.sharedKey
  ): MemoryConnection {
    const { world } = this
    if (this.#greeting) return this.connection!
    this.#greeting = true
    const connection = new MemoryConnection(world.clock, options, world.random.next, {
      client: this.key,
      server: b4a.alloc(32, 9),
      handshakeHash: world.bytes(64)
    })
    this.connection = connection
    this.server.onLink(connection.server)
    this.#greet(connection.client, sharedKey)
    return connection
  }

  /** As {@link Client} does. */
  #greet(link: Link, sharedKey: Uint8Array): void {
    const { clock } = this.world
    const sendKey = this.world.bytes(32)
    this.sendKey = sendKey
    const { session } = this
    const resume =
      session && session.state !== 'ended'
        ? { session: session.id, highest: session.flows.tcp.highest, flows: session.flows.tcp.positions() }
        : null
    if (resume) session!.keepFor(this.limits.greetingMs)
    clientHandshake(
      { link, sharedKey, clock, timeoutMs: this.limits.greetingMs },
      { datagramKey: sendKey, resume },
      result => {
        this.#greeting = false
        if (result instanceof HyperNatError) this.errors.push(result)
        else this.#onWelcome(link, result, sendKey)
      }
    )
  }

  #onWelcome(link: Link, welcome: Welcome, sendKey: Uint8Array): void {
    if (!welcome.resumed) {
      const old = this.session
      this.session = new ClientSession(
        b4a.from(welcome.session),
        { ...this.world.outside(this.limits), games: this.world.games.client },
        {
          ...listen(this.told, this.udp, this.more),
          maps: maps => this.more.maps?.(maps)
        }
      )
      old?.close('SESSION_EXPIRED')
    }
    this.session!.attach({
      link,
      sendKey,
      receiveKey: b4a.from(welcome.datagramKey),
      features: welcome.features,
      resumed: welcome.resumed
    })
    this.onwelcome(welcome)
  }
}

/** One run: a clock, a seed, and who lives in it. */
export class World {
  readonly clock = new VirtualClock()
  readonly random: Random
  /** Of all servers, and of all clients: two nodes. */
  readonly games = { server: new Activity(), client: new Activity() }

  constructor(
    readonly seed: number,
    readonly linkOptions: MemoryLinkOptions = {}
  ) {
    this.random = new Random(seed)
  }

  bytes(size: number): Uint8Array {
    const bytes = b4a.alloc(size)
    for (let i = 0; i < size; i++) bytes[i] = this.random.int(0, 255)
    return bytes
  }

  outside(limits: Limits) {
    return {
      clock: this.clock,
      limits,
      defer: (fn: () => void): void => {
        this.clock.after(0, fn)
      },
      chance: this.random.next
    }
  }

  server(limits: Partial<Limits> = {}): TestServer {
    return new TestServer(this, this.bytes(32), { ...LIMITS, ...limits })
  }

  client(server: TestServer, limits: Partial<Limits> = {}): TestClient {
    return new TestClient(this, server, this.bytes(32), { ...server.limits, ...limits })
  }

  /** Lets `ms` pass, or less if `done` comes true before. @returns whether it did */
  pass(ms: number, done: () => boolean = () => false): boolean {
    const until = this.clock.now() + ms
    this.clock.at(until, () => {})
    return this.clock.run(until, done) || done()
  }
}

/** A client whose session with a server of its own is up. */
export function connected(
  seed: number,
  linkOptions: MemoryLinkOptions = {},
  limits: Partial<Limits> = {}
): { world: World; server: TestServer; client: TestClient } {
  const world = new World(seed, linkOptions)
  const server = world.server(limits)
  const client = world.client(server)
  client.dial()
  if (!world.pass(1000, () => client.session?.state === 'up')) throw new Error('the session did not come up')
  return { world, server, client }
}
