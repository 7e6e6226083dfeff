/**
 * Sessions under one disaster after the other: connections that die, fall silent, reorder, double and lose datagrams, second ones that
 * take over, peers that say what they need not, and either side restarted. No byte is lost or doubled, and nothing stays behind.
 *
 * `HYPER_NAT_DISASTERS` is how many (1000); `HYPER_NAT_TEST_SEED` repeats one run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ByteFlow } from '../../src/flows/byte-flow.js'
import { TcpudpFlow } from '../../src/flows/tcpudp.js'
import { resetFrame } from '../../src/wire/frames.js'
import { assertWhole, FlowEnd, type FlowEndOptions } from '../support/flow-end.js'
import type { MemoryLinkOptions } from '../support/memory-link.js'
import { cases } from '../support/quick.js'
import { connected, type TestClient, type TestServer, type World } from '../support/session-peers.js'

const DISASTERS = Number(process.env.HYPER_NAT_DISASTERS ?? cases(1000))

/** Disasters of one run. */
const EACH = 20

/** How long a run may take until all is done, virtual ms. */
const PATIENCE_MS = 10 * 60_000

interface Pair {
  readonly up: FlowEnd
  down: FlowEnd | null
  /** Whether a side was restarted while it was open: then it may be reset instead of being finished. */
  mayReset: boolean
}

class Run {
  readonly world: World
  readonly server: TestServer
  readonly client: TestClient
  /** By what carries the flow, and its number in its session. */
  readonly #pairs = new Map<string, Pair>()
  readonly #all: Pair[] = []
  readonly #udp = { up: new Set<number>(), down: new Set<number>() }
  #next = 0
  /** A session that the server has forgotten, which its client may not know yet. */
  #doomed: TestClient['session'] = null

  constructor(seed: number) {
    const { world, server, client } = connected(seed, {
      delay: 1 + (seed % 40),
      room: 32_000,
      bytesPerMs: 400
    })
    this.world = world
    this.server = server
    this.client = client
    server.open = flow => {
      const pair = this.#pairs.get(keyOf(flow))
      assert.ok(pair, 'an open for a flow that nobody opened')
      assert.equal(pair.down, null, 'one flow opened twice')
      const { out, expected, options } = pair.up
      const end = new FlowEnd(flow, expected, out, world.clock, {
        ...options,
        total: world.random.int(0, 60_000)
      })
      pair.down = end
      world.clock.after(0, () => end.go())
      return null
    }
    this.#keepConnected()
    this.#talk()
  }

  get #path(): MemoryLinkOptions {
    const { random } = this.world
    return {
      delay: random.int(1, 80),
      room: 32_000,
      bytesPerMs: random.int(50, 500),
      loss: random.int(0, 3) / 20,
      duplicate: random.int(0, 2) / 10,
      jitter: random.int(0, 30)
    }
  }

  /** Dials again when the connection is gone, or has said nothing for a while, over another path. */
  #keepConnected(): void {
    const { client, world } = this
    const { connection, session } = client
    const isGone = connection!.dead || connection!.client.gone || session!.state !== 'up'
    const isSilent = world.clock.now() - session!.lastReceived > 3000
    if (isGone || isSilent) client.dial(this.#path)
    world.clock.after(50, () => this.#keepConnected())
  }

  /** Datagrams with numbers, both ways; each may be lost, and none may come twice. */
  #talk(): void {
    const { client, server, world } = this
    const number = new Uint8Array(new Uint32Array([this.#next++]).buffer)
    client.session?.sendUdp(2, 1, number)
    for (const { session } of server.sessions.values()) session.sendUdp(2, 1, number)
    for (const [side, seen] of [
      [server, this.#udp.up],
      [client, this.#udp.down]
    ] as const) {
      for (const { payload } of side.udp.splice(0)) {
        const [got] = new Uint32Array(Uint8Array.from(payload).buffer) as unknown as [number]
        assert.ok(!seen.has(got), `datagram ${got} came twice`)
        seen.add(got)
      }
    }
    world.clock.after(30, () => this.#talk())
  }

  open(): void {
    const { client, world } = this
    const { session } = client
    if (!session || session.state === 'ended') return
    const flow = world.random.int(0, 1) === 0 ? session.openFlow(1) : session.flows.tcpudp.open(1)
    const options: FlowEndOptions = {
      total: world.random.int(0, 60_000),
      fin: true,
      chunk: () => world.random.int(1, 10_000),
      reads: world.random.int(0, 10)
    }
    const up = new FlowEnd(flow, world.random.int(0, 200), world.random.int(0, 200), world.clock, options)
    const pair = { up, down: null, mayReset: session === this.#doomed }
    this.#pairs.set(keyOf(flow), pair)
    this.#all.push(pair)
    up.go()
  }

  disaster(): void {
    const { client, world } = this
    const { random, clock } = world
    const connection = client.connection!
    const noticed = (): number | null => (random.int(0, 3) === 0 ? null : random.int(0, 300))
    switch (random.int(0, 6)) {
      case 0:
      case 1:
        return connection.die({ client: noticed(), server: noticed() })
      case 2: {
        connection.fallSilent()
        // What it has lost of the ordered stream is not sent again over it.
        clock.after(random.int(100, 20_000), () => connection.die({ client: noticed(), server: noticed() }))
        return
      }
      case 3:
        client.dial(this.#path)
        return
      case 4:
        // Frames that nobody has to know, and a reset of a flow that is over, or never was opened by the ordered stream.
        return this.#say(Uint8Array.of(3, 0x85, 1, 2))
      case 5: {
        const { highest } = client.session!.flows.tcp
        if (highest > 0 && !client.session!.flows.tcp.flows.has(highest))
          this.#say(resetFrame(highest, 'FLOW_RESET'))
        return
      }
      default:
        if (random.int(0, 4) > 0) return connection.die()
        return random.int(0, 1) === 0 ? this.#restartServer() : this.#restartClient()
    }
  }

  #say(frame: Uint8Array): void {
    const { client: link, dead } = this.client.connection!
    if (dead || link.gone || this.client.session?.state !== 'up') return
    const message = link.alloc(frame.byteLength)
    message.set(frame)
    link.write(message)
  }

  #forget(): void {
    for (const pair of this.#all) pair.mayReset = true
    this.#pairs.clear()
    this.#udp.up.clear()
    this.#udp.down.clear()
  }

  /** The process is killed: it knows nothing any more, and says nothing. */
  #restartServer(): void {
    this.client.connection!.die({ client: this.world.random.int(0, 300), server: null })
    this.server.sessions.clear()
    this.#doomed = this.client.session
    this.#forget()
  }

  /** The same at the client, which then begins a session of its own. */
  #restartClient(): void {
    const { client } = this
    client.connection!.die({ client: null, server: this.world.random.int(0, 300) })
    client.session?.close('GOODBYE')
    this.#forget()
  }

  get #done(): boolean {
    const { client, server } = this
    return (
      this.#all.every(pair => isOver(pair)) &&
      client.session!.flows.open().length === 0 &&
      [...server.sessions.values()].every(({ session }) => session.flows.open().length === 0)
    )
  }

  finish(): void {
    const { client, server, world } = this
    world.pass(PATIENCE_MS, () => this.#done)
    for (const { up, down, mayReset } of this.#all) {
      const where = `up ${up.written}/${up.options.total}, ${down?.read} read, ${up.heard}; down ${down?.written}/${down?.options.total}, ${up.read} read, ${down?.heard}`
      if (mayReset && (up.resetBy || down?.resetBy || !down)) continue
      assert.ok(down, `a flow never reached the server: ${where}`)
      assertWhole(up, down, where)
    }
    assert.ok(this.#done, 'flows were left')
    // Sessions of a client that was restarted wait for it no longer than their grace, and flows linger for a while.
    world.pass(90_000)
    assert.equal(server.sessions.size, 1)
    assert.deepEqual([client.session!.flows.tcp.flows.size, server.session.flows.tcp.flows.size], [0, 0])
    assert.deepEqual(
      [client.session!.flows.tcpudp.flows.size, server.session.flows.tcpudp.flows.size],
      [0, 0]
    )
    assert.deepEqual([client.session!.flows.keptBytes, server.session.flows.keptBytes], [0, 0])
  }
}

function keyOf(flow: ByteFlow): string {
  return `${flow instanceof TcpudpFlow ? 'arq' : 'stream'} ${flow.id}`
}

function isOver({ up, down, mayReset }: Pair): boolean {
  if (mayReset) return (up.closed || up.resetBy !== null) && (!down || down.closed || down.resetBy !== null)
  return up.closed && down?.closed === true
}

function live(seed: number): void {
  const run = new Run(seed)
  const { world } = run
  for (let i = 0; i < EACH; i++) {
    for (let flows = world.random.int(0, 3); flows > 0; flows--) run.open()
    world.pass(world.random.int(10, 2000))
    run.disaster()
  }
  run.finish()
}

test(`${DISASTERS} disasters: no byte is lost or doubled, and nothing stays behind`, () => {
  const given = process.env.HYPER_NAT_TEST_SEED
  const seeds =
    given === undefined
      ? Array.from({ length: Math.ceil(DISASTERS / EACH) }, (_, i) => i + 1)
      : [Number(given)]
  for (const seed of seeds) {
    try {
      live(seed)
    } catch (err) {
      throw new Error(`HYPER_NAT_TEST_SEED=${seed}: ${(err as Error).message}`, { cause: err })
    }
  }
})
