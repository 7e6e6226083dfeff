/** What a flow is told when its local socket ends. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import dns from 'node:dns'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from '../../../src/flows/byte-flow.js'
import {
  type DialOptions,
  dialTcp,
  joinTcp,
  listenTcp as listen,
  saysClosed
} from '../../../src/sockets/tcp.js'
import { connectTcp, readAll } from '../../support/clients.js'
import { within } from '../../support/deadline.js'
import { listenTcp } from '../../support/servers.js'
import { tcpPair } from '../../support/tcp-pair.js'

/** A flow that takes as many bytes as it is told to, and notes what it hears. */
class Recorder implements ByteFlow {
  readonly id = 1
  readonly map = 1
  events: ByteFlowEvents = ignoreEvents
  bytes = 0
  room = Number.POSITIVE_INFINITY
  readonly last: Promise<string>
  #heard: (what: string) => void = () => {}

  constructor() {
    this.last = new Promise(resolve => {
      this.#heard = resolve
    })
  }

  write(bytes: Uint8Array): boolean {
    this.bytes += bytes.byteLength
    return this.bytes < this.room
  }

  end(): void {
    this.#heard('end')
  }

  reset(code: string): void {
    this.#heard(`reset ${code}`)
  }

  consumed(): void {}
}

interface Joined {
  readonly program: net.Socket
  readonly flow: Recorder
  readonly ours: net.Socket
}

/** Joins a flow to a socket that a program has opened. */
async function accepted(t: TestContext): Promise<Joined> {
  const { ours, program } = await tcpPair(t)
  program.on('error', () => {})
  return { program, flow: join(ours), ours }
}

/** Joins a flow to a socket that we have opened to a target. */
async function dialled(t: TestContext, options: DialOptions = {}): Promise<Joined> {
  const target = new EventEmitter<{ connection: [net.Socket] }>()
  const server = await listenTcp(socket => target.emit('connection', socket))
  t.after(() => server.close())
  const ours = dialTcp('127.0.0.1', server.port, options)
  t.after(() => ours.destroy())
  const flow = join(ours)
  const [program] = await once(target, 'connection')
  return { program, flow, ours }
}

function join(ours: net.Socket): Recorder {
  const flow = new Recorder()
  joinTcp(
    ours,
    flow,
    () => 'FLOW_RESET',
    () => {}
  )
  return flow
}

const told = (flow: Recorder) => within(10_000, flow.last, () => `an end after ${flow.bytes} bytes`)

for (const [kind, joined] of Object.entries({ accepted, dialled: (t: TestContext) => dialled(t) })) {
  test(`${kind}: an end is an end`, async t => {
    const { program, flow, ours } = await joined(t)
    program.end('last words')
    assert.equal(await told(flow), 'end')
    assert.equal(flow.bytes, 10)
    // The other direction goes on.
    flow.events.data(Buffer.from('answer'))
    assert.equal(String((await once(program, 'data'))[0]), 'answer')
    assert.ok(!ours.destroyed)
  })

  test(`${kind}: an end is reported while the program reads nothing`, async t => {
    const { program, flow } = await joined(t)
    program.pause()
    for (let i = 0; i < 100; i++) flow.events.data(Buffer.alloc(100_000))
    program.end('last words')
    assert.equal(await told(flow), 'end')
  })

  test(`${kind}: a reset that comes right behind bytes is no end`, async t => {
    for (let i = 0; i < 20; i++) {
      const { program, flow } = await joined(t)
      await new Promise(resolve => program.write('last words', resolve))
      program.resetAndDestroy()
      assert.equal(await told(flow), 'reset FLOW_RESET')
    }
  })

  test(`${kind}: a reset that comes while the flow takes nothing is no end`, async t => {
    const { program, flow, ours } = await joined(t)
    flow.room = 1
    program.write(Buffer.alloc(50_000))
    while (!ours.isPaused()) await once(ours, 'pause')
    await new Promise(resolve => program.write(Buffer.alloc(50_000), resolve))
    program.resetAndDestroy()
    await within(10_000, once(program, 'close'), () => 'the reset')
    flow.room = Number.POSITIVE_INFINITY
    flow.events.drain()
    assert.equal(await told(flow), 'reset FLOW_RESET')
  })

  test(`${kind}: what a program says last is read, though writing to it has failed since`, async t => {
    for (const writes of [1, 3]) {
      const { program, flow, ours } = await joined(t)
      flow.room = 1
      program.write('first')
      while (!ours.isPaused()) await once(ours, 'pause')
      await new Promise(resolve => program.write('last words', resolve))
      program.resetAndDestroy()
      await within(10_000, once(program, 'close'), () => 'the reset')
      for (let i = 0; i < writes; i++) flow.events.data(Buffer.from('nobody reads this'))
      await new Promise(resolve => setImmediate(resolve))
      flow.room = Number.POSITIVE_INFINITY
      flow.events.drain()
      assert.equal(await told(flow), 'reset FLOW_RESET')
      assert.equal(flow.bytes, 15)
      assert.ok(ours.destroyed)
    }
  })
}

test('a paused socket to a target has read nothing that its flow did not get', async t => {
  const { program, flow, ours } = await dialled(t)
  flow.room = 1
  program.write(Buffer.alloc(10_000_000))
  while (!ours.isPaused()) await once(ours, 'pause')
  // It would read on in the next turns.
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(ours.bytesRead, flow.bytes)
  assert.ok(flow.bytes <= 65_536)
  flow.room = Number.POSITIVE_INFINITY
  flow.events.drain()
  program.end()
  assert.equal(await told(flow), 'end')
  assert.equal(flow.bytes, 10_000_000)
})

test('a socket to a target reads a share of what is free, and little at first', async t => {
  let free = 4 << 20
  const { program, flow, ours } = await dialled(t, { room: () => free })
  const sizes: number[] = []
  ours.on('data', bytes => sizes.push(bytes.length))
  const most = async (): Promise<number> => {
    const to = flow.bytes + 1_000_000
    program.write(Buffer.alloc(1_000_000))
    while (flow.bytes < to) await once(ours, 'data')
    return Math.max(...sizes.splice(0))
  }
  program.write(Buffer.alloc(100_000))
  while (flow.bytes < 100_000) await once(ours, 'data')
  assert.equal(sizes[0], 4096)
  assert.equal(Math.max(...sizes.splice(0)), 16_384)
  free = 0
  assert.ok((await most()) <= 16_384, 'the next read had its buffer already')
  assert.equal(await most(), 4096)
  free = Number.POSITIVE_INFINITY
  assert.equal(await most(), 65_536)
})

test('a thousand programs that connect at once are all let in, also while none of them is accepted', {
  // Elsewhere the system allows fewer.
  skip: process.platform !== 'linux' || Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) < 1000
}, async t => {
  const listener = await listen('127.0.0.1', 0, () => {})
  t.after(() => listener.close())
  const program = `
    let left = 1000
    setTimeout(() => process.exit(1), 5000)
    for (let i = left; i > 0; i--) require('net').connect(${listener.port}, '127.0.0.1', () => --left || process.exit())`
  // This process does nothing meanwhile.
  assert.equal(spawnSync(process.execPath, ['-e', program]).status, 0)
})

test('only what concerns the target says that it is closed', () => {
  const failed = (code: string) => saysClosed(Object.assign(new Error(code), { code }))
  assert.ok(['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND'].every(failed))
  assert.ok(!['EMSGSIZE', 'EMFILE', 'EADDRNOTAVAIL', 'ENETUNREACH', 'EAI_AGAIN', 'EPERM'].some(failed))
})

test('localhost is 127.0.0.1 for TCP, as for UDP, also where the system names ::1 first', async t => {
  // Node.js itself looks up addresses, too.
  t.mock.method(dns, 'lookup', (host: string, ...more: unknown[]) => {
    const done = more.at(-1) as (err: null, address: string, family: number) => void
    const address = host === 'localhost' ? '::1' : host
    done(null, address, net.isIP(address))
  })
  const listener = await listen('localhost', 0, socket => socket.end('here'))
  t.after(() => listener.close())
  assert.equal((await readAll(await connectTcp(listener.port))).toString(), 'here')
})
