/** When a client dials: while its server is away, when its connection is gone, when the network changes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import b4a from 'b4a'
import { Client } from '../../src/client/client.js'
import { type ErrorCode, HyperNatError } from '../../src/errors.js'
import type { DaemonEvent } from '../../src/events.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { type NetworkChange, NetworkWatch } from '../../src/network/network-watch.js'
import type { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { Resources } from '../../src/sockets/resources.js'
import { Activity } from '../../src/util/activity.js'
import { FRAME } from '../../src/wire/constants.js'
import { until } from '../support/deadline.js'
import { MemoryConnection } from '../support/memory-link.js'
import { TestServer, World } from '../support/session-peers.js'

/** How long a dial takes here until it fails. */
const DIAL_MS = 100

const KEYS = keyPairOf(new Secret('a server that is seldom at home'))

/** The network as a client knows it: dials that a test lets fail or succeed, and changes. */
class TestNode {
  /** When it was dialled. */
  readonly dials: number[] = []
  readonly connections: MemoryConnection[] = []
  /** Why dials fail; null: they do not. */
  failure: ErrorCode | null = 'SERVER_NOT_FOUND'
  addresses: readonly string[] = ['11.0.0.1/16']
  slept = 0
  readonly watch: NetworkWatch
  #listener: (changes: ReadonlySet<NetworkChange>) => void = () => {}

  constructor(
    readonly world: World,
    readonly server: TestServer
  ) {
    const { clock } = world
    this.watch = new NetworkWatch(
      {
        clock,
        limits: LIMITS,
        addresses: () => this.addresses,
        timeOfDay: () => clock.now() + this.slept
      },
      changes => this.#listener(changes)
    )
    this.watch.start()
  }

  onChange(listener: (changes: ReadonlySet<NetworkChange>) => void): () => void {
    this.#listener = listener
    return () => {}
  }

  async lookUp(): Promise<[]> {
    return []
  }

  dial(
    _key: Uint8Array,
    keyPair: { publicKey: Uint8Array },
    done: (result: StreamLink | HyperNatError) => void
  ) {
    const { clock } = this.world
    this.dials.push(clock.now())
    let given = true
    clock.after(DIAL_MS, () => {
      if (!given) return
      if (this.failure) return done(new HyperNatError(this.failure, 'It cannot be reached.'))
      const connection = new MemoryConnection(clock, { delay: 10 }, this.world.random.next, {
        client: keyPair.publicKey,
        server: b4a.alloc(32, 9),
        handshakeHash: this.world.bytes(64)
      })
      connection.client.record = true
      this.connections.push(connection)
      this.server.onLink(connection.server)
      const link = Object.assign(connection.client, { path: 'direct', onpath() {}, suspect() {} })
      done(link as unknown as StreamLink)
    })
    return () => {
      given = false
    }
  }
}

function start(sockets = 1000) {
  const world = new World(1)
  const server = new TestServer(world, KEYS.publicKey, LIMITS)
  const node = new TestNode(world, server)
  const events: DaemonEvent[] = []
  const client = new Client({
    node: node as unknown as Node,
    publicKey: KEYS.publicKey,
    keyPair: keyPairOf(new Secret('a guest')),
    resources: new Resources({ clock: world.clock, limits: LIMITS, log: silentLog, sockets }),
    clock: world.clock,
    timeOfDay: () => world.clock.now(),
    limits: LIMITS,
    games: new Activity(),
    log: silentLog,
    random: size => world.bytes(size),
    emit: event => events.push(event)
  })
  client.start()
  /** Lets time pass with turns of the event loop, in which sessions send their datagrams. */
  const pass = async (ms: number, done: () => boolean = () => false): Promise<boolean> => {
    const end = world.clock.now() + ms
    while (!done() && world.clock.now() < end) {
      world.pass(5)
      await turn()
    }
    return done()
  }
  const connect = async (): Promise<void> => {
    node.failure = null
    const before = count(events, 'connected')
    assert.ok(await pass(5000, () => count(events, 'connected') > before), 'it connects')
    await pass(2000)
  }
  return { world, node, events, client, pass, connect }
}

function count(events: readonly DaemonEvent[], name: DaemonEvent['event']): number {
  return events.filter(({ event }) => event === name).length
}

/** The waits between dials, ms. */
function waits(dials: readonly number[]): number[] {
  return dials.slice(1).map((at, i) => at - dials[i]! - DIAL_MS)
}

const HOUR = 3_600_000

test('a client whose server is away for a day dials every 15 s in the end, and says so once', () => {
  const { world, node, events } = start()
  world.pass(24 * HOUR)
  assert.equal(node.dials[0], 0)
  const early = waits(node.dials.filter(at => at < LIMITS.redialPatienceMs))
  assert.deepEqual(early.slice(0, 4).map(Math.round), [250, 400, 640, 1024])
  assert.ok(
    early.every(wait => wait <= 3001),
    `${Math.max(...early)}`
  )
  const late = waits(node.dials.filter(at => at > LIMITS.redialPatienceMs + 60_000))
  assert.ok(
    late.every(wait => Math.abs(wait - 15_000) < 1),
    `${Math.min(...late)} to ${Math.max(...late)}`
  )
  assert.ok(node.dials.length < 6100, `${node.dials.length} dials`)
  assert.deepEqual(
    events.map(({ event }) => event),
    ['ready', 'waiting']
  )
})

test('each cause of waiting is reported once, however often they change', () => {
  const { world, node, events } = start()
  for (let i = 0; i < 200; i++) {
    node.failure = i % 2 === 0 ? 'DHT_UNREACHABLE' : 'SERVER_NOT_RUNNING'
    world.pass(60_000)
  }
  assert.equal(count(events, 'waiting'), 2)
})

test('a status tells why it waits, since when and until when', async () => {
  const { node, client, pass, connect, world } = start()
  const absence = () => client.status().disconnected
  assert.deepEqual(absence(), { since: 0, cause: null, nextDial: null })
  await pass(DIAL_MS + 10)
  // Others may be found yet.
  assert.deepEqual(absence(), { since: 0, cause: null, nextDial: DIAL_MS + LIMITS.redialMs })
  assert.ok(await pass(LIMITS.hostHoldMs + DIAL_MS, () => absence()?.cause !== null))
  assert.deepEqual(absence()?.cause, { code: 'SERVER_NOT_FOUND', message: 'It cannot be reached.' })
  node.failure = 'DHT_UNREACHABLE'
  await pass(30_000)
  assert.equal(absence()?.cause?.code, 'DHT_UNREACHABLE')
  // Told before, and so again only to those who ask.
  node.failure = 'SERVER_NOT_FOUND'
  await pass(30_000)
  assert.equal(absence()?.cause?.code, 'SERVER_NOT_FOUND')
  node.failure = null
  await connect()
  assert.equal(absence(), null)
  node.failure = 'SERVER_NOT_RUNNING'
  node.connections.at(-1)!.die()
  assert.ok(await pass(30_000, () => absence() !== null))
  const lost = world.clock.now()
  await pass(10_000)
  const { since, cause: why } = absence()!
  assert.ok(Math.abs(since - lost) <= 100, `${since} and ${lost}`)
  assert.equal(why?.code, 'SERVER_NOT_RUNNING')
})

for (const code of ['NOT_INVITED', 'INVITE_EXPIRED'] as const) {
  test(`who was told ${code} reports no other cause when the server is silent then`, async () => {
    const { node, events, pass, connect } = start()
    await connect()
    node.failure = 'SERVER_UNREACHABLE'
    node.server.session.close(code, 'Ask its owner.')
    await pass(30_000)
    node.failure = 'SERVER_NOT_RUNNING'
    await pass(30_000)
    const told = () => events.flatMap(one => (one.event === 'waiting' ? [one.code] : []))
    assert.deepEqual(told(), [code])
    node.failure = 'DHT_UNREACHABLE'
    await pass(30_000)
    assert.deepEqual(told(), [code, 'DHT_UNREACHABLE'])
  })
}

test('a server that comes up is found within 3 s, and within 15 s after it was away for long', () => {
  for (const [awayMs, foundMs] of [
    [60_000, 3000],
    [24 * HOUR, 15_000]
  ] as const) {
    const { world, node, events } = start()
    world.pass(awayMs)
    node.failure = null
    assert.ok(
      world.pass(foundMs + 2 * DIAL_MS, () => count(events, 'connected') > 0),
      `away for ${awayMs} ms`
    )
  }
})

test('when a connection is gone it dials at once', async () => {
  const { world, node, connect } = start()
  await connect()
  const dials = node.dials.length
  node.connections.at(-1)!.die()
  const at = world.clock.now()
  world.pass(1)
  assert.deepEqual(node.dials.slice(dials), [at])
})

test('a client draws another datagram key for each connection', async () => {
  const { node, connect } = start()
  await connect()
  node.connections.at(-1)!.die()
  await connect()
  const greetings = node.connections.map(({ client }) => client.written[0]!)
  // length, type, two versions, proof, key
  const keys = greetings.map(hello => b4a.toString(hello.subarray(4 + 32, 4 + 32 + 32), 'hex'))
  assert.deepEqual(
    greetings.map(hello => hello[1]),
    [FRAME.HELLO, FRAME.HELLO]
  )
  assert.equal(new Set(keys).size, 2)
})

test('when the network changes a waiting client dials at once, and restarts its backoff', () => {
  const { world, node } = start()
  world.pass(2 * HOUR)
  node.addresses = ['11.0.0.2/16']
  const [at, dials] = [world.clock.now(), node.dials.length]
  world.pass(5000)
  const fresh = node.dials.slice(dials).map(dialled => dialled - at)
  assert.ok(fresh[0]! <= LIMITS.watchMs, `${fresh[0]}`)
  assert.ok(fresh.length >= 4, `${fresh}`)
})

test('a dial in progress when the network changes is started again', () => {
  const { world, node } = start()
  world.pass(HOUR)
  const dials = node.dials.length
  world.pass(20_000, () => node.dials.length > dials)
  node.watch.report('lost')
  assert.equal(node.dials.length, dials + 2)
  // The first was given up: one failure, one wait.
  world.pass(DIAL_MS + LIMITS.redialMs - 1)
  assert.equal(node.dials.length, dials + 2)
})

test('a handshake in progress when the network changes is started again without a report', async () => {
  const { node, events, pass } = start()
  node.failure = null
  assert.ok(await pass(1000, () => node.connections.length === 1))
  node.watch.report('moved')
  assert.equal(node.dials.length, 2)
  assert.ok(await pass(1000, () => count(events, 'connected') === 1))
  await pass(20_000)
  assert.equal(node.dials.length, 2)
  assert.deepEqual(
    events.map(({ event }) => event),
    ['ready', 'connected']
  )
})

test('when an address is gone it dials a second connection at once', async () => {
  const { node, events, pass, connect } = start()
  await connect()
  node.connections[0]!.fallSilent()
  node.addresses = ['11.0.0.2/16']
  assert.ok(await pass(2 * LIMITS.watchMs, () => node.dials.length === 2))
  assert.deepEqual(node.server.told, ['up'])
  assert.equal(count(events, 'disconnected'), 0)
  assert.ok(await pass(1000, () => count(events, 'connected') === 2))
  assert.deepEqual(node.server.told, ['up', 'resumed'])
  assert.equal(count(events, 'disconnected'), 0)
})

test('a connection that answers though an address is gone is left alone', async () => {
  const { node, events, pass, connect } = start()
  await connect()
  node.addresses = ['11.0.0.2/16']
  await pass(10_000)
  assert.deepEqual(node.server.told, ['up'])
  assert.equal(count(events, 'connected'), 1)
})

test('another address more leaves a connection that works alone, and a dead one is missed soon', async () => {
  const { world, node, pass, connect } = start()
  await connect()
  node.addresses = [...node.addresses, '172.17.0.1/16']
  await pass(10_000)
  assert.equal(node.dials.length, 1)
  node.connections[0]!.fallSilent()
  node.addresses = node.addresses.slice(0, 1).concat('172.18.0.1/16', '172.17.0.1/16')
  const at = world.clock.now()
  await pass(5000, () => node.dials.length === 2)
  const late = node.dials[1]! - at
  assert.ok(late < LIMITS.watchMs + LIMITS.doubtMs + LIMITS.pingUrgentMs, `${late} ms`)
})

test('after a sleep it dials at once', async () => {
  const { world, node, pass, connect } = start()
  await connect()
  node.slept += HOUR
  const at = world.clock.now()
  assert.ok(await pass(5000, () => node.dials.length === 2))
  assert.ok(node.dials[1]! - at <= LIMITS.watchMs)
})

test('a storm of changes is no storm of dials', () => {
  const { world, node } = start()
  world.pass(HOUR)
  const dials = node.dials.length
  for (let i = 0; i < 6000; i++) {
    node.watch.report('lost', 'new', 'moved')
    world.pass(10)
  }
  // A minute: at most one for each change told, and those of the waits that begin anew each time.
  const told = 60_000 / LIMITS.changeRestMs
  assert.ok(node.dials.length - dials >= told, `${node.dials.length - dials}`)
  assert.ok(node.dials.length - dials <= 6 * told, `${node.dials.length - dials}`)
})

const MAP = {
  path: 'schema[0]',
  proto: 'tcp',
  port: 80,
  localHost: '127.0.0.1',
  localPort: 0,
  duplicate: false
} as const

/** A program's connection to the client's port, with how it ended. */
async function program(port: number) {
  const socket = net.connect(port, '127.0.0.1')
  let code: string | null = null
  socket.on('error', (err: NodeJS.ErrnoException) => {
    code = err.code ?? ''
  })
  await once(socket, 'connect').catch(() => {})
  return { socket, code: () => code }
}

test('a connection that is opened during an outage waits as long as a session may come back, then is reset', async () => {
  const { client, world, pass } = start()
  await client.listen([MAP])
  const { socket, code } = await program(client.maps[0]!.localPort)
  await until(5000, 'it to wait', () => client.status().waiting === 1)
  await pass(LIMITS.resumeSeconds * 1000 - 1000)
  assert.deepEqual([client.status().waiting, code()], [1, null])
  world.pass(2000)
  await until(5000, 'a reset', () => code() === 'ECONNRESET')
  assert.equal(client.status().waiting, 0)
  socket.destroy()
  await client.close()
})

test('without a descriptor left a connection is reset, which no program takes for a clean end', async () => {
  const { client } = start(1)
  await client.listen([MAP])
  const first = await program(client.maps[0]!.localPort)
  await until(5000, 'it to wait', () => client.status().waiting === 1)
  const second = await program(client.maps[0]!.localPort)
  await until(5000, 'a reset', () => second.code() === 'ECONNRESET')
  assert.equal(first.code(), null)
  first.socket.destroy()
  await client.close()
})
