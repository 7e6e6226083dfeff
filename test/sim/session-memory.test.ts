/** Hundreds of tcpudp flows of one session stay within its budgets, whatever the peer and the local programs do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SEND_BUFFER_LEAST } from '../../src/flows/arq/constants.js'
import { ignoreEvents } from '../../src/flows/byte-flow.js'
import type { TcpudpFlow } from '../../src/flows/tcpudp.js'
import type { Limits } from '../../src/limits.js'
import { FlowEnd } from '../support/flow-end.js'
import { connected, type TestClient } from '../support/session-peers.js'

const MB = 1024 * 1024
const LIMITS = { flowWindow: 4 * MB, sessionWindow: 8 * MB, sessionQueue: 4 * MB, lingeringFlows: 100 }
/** Silence and grace are over after this, ms. */
const EXPIRED_MS = 120_000
const CHUNK = 16 * 1024
/** The least that a flow may always have: a window of the wire's, bytes to send, and what its socket gave last. */
const WINDOW = 16 * 1024
const QUEUE = SEND_BUFFER_LEAST + CHUNK

interface Crowd {
  readonly client: TestClient
  readonly ups: FlowEnd[]
  readonly downs: FlowEnd[]
  readonly pass: (ms: number, until?: () => boolean) => void
  /** The most that was held at any time: windows and queues of both ends, bytes. */
  readonly most: { windows: number; queue: number }
  readonly held: () => number[]
  /** The flows of both ends that only linger. */
  readonly lingering: () => TcpudpFlow[]
}

function crowd(flows: number, total: number, limits: Partial<Limits> = LIMITS): Crowd {
  const { world, server, client } = connected(1, { delay: 10 }, limits)
  const most = { windows: 0, queue: 0 }
  const ups: FlowEnd[] = []
  const downs: FlowEnd[] = []
  const options = { total, fin: true, chunk: () => CHUNK, reads: null }
  server.open = flow => {
    const end = new FlowEnd(flow, flow.id * 2 + 1, flow.id * 2, world.clock, options)
    downs.push(end)
    world.clock.after(0, () => end.go())
    return null
  }
  world.pass(200)
  for (let i = 0; i < flows; i++) {
    const flow = client.session!.flows.tcpudp.open(1)
    ups.push(new FlowEnd(flow, flow.id * 2, flow.id * 2 + 1, world.clock, options))
    ups.at(-1)!.go()
  }
  const sessions = [client.session!, server.session]
  const look = (): void => {
    most.windows = Math.max(most.windows, ...sessions.map(s => s.flows.windows.used))
    most.queue = Math.max(most.queue, ...sessions.map(s => s.flows.tcpudp.queue.used))
    world.clock.after(5, look)
  }
  look()
  return {
    client,
    ups,
    downs,
    pass: (ms, until) => world.pass(ms, until),
    most,
    lingering: () =>
      sessions.flatMap(s => [...s.flows.tcpudp.flows.values()].filter(flow => s.flows.tcpudp.lingers(flow))),
    held: () => sessions.flatMap(s => [s.flows.windows.used, s.flows.tcpudp.queue.used])
  }
}

test('readers that have stalled: memory is bounded, and all arrives once they read', () => {
  const flows = 150
  const total = 200_000
  const { ups, downs, pass, most, held } = crowd(flows, total)
  pass(20_000)
  const unread = [...ups, ...downs].map(end => end.unread)
  assert.equal(downs.length, flows)
  assert.ok(
    unread.every(bytes => bytes >= WINDOW),
    'nobody got nothing'
  )
  assert.ok(most.windows <= LIMITS.sessionWindow, `${most.windows} lent for windows`)
  const bound = LIMITS.sessionQueue + flows * QUEUE
  assert.ok(most.queue <= bound, `${most.queue} of ${bound} queued`)
  const there = downs.reduce((sum, end) => sum + end.unread, 0)
  assert.ok(there <= LIMITS.sessionWindow + flows * WINDOW, `${there} lie unread`)
  const finished = (): boolean => {
    for (const end of [...ups, ...downs]) end.readAll()
    return [...ups, ...downs].every(end => end.closed)
  }
  pass(5 * 60_000, finished)
  assert.ok(finished(), 'all arrives')
  pass(60_000)
  assert.deepEqual(held(), [0, 0, 0, 0], 'all is given back')
})

test('flows that are over and linger keep neither their sockets nor room for what they sent', () => {
  const flows = LIMITS.lingeringFlows
  const { ups, downs, pass, lingering } = crowd(flows, 1000)
  const over = () => [...ups, ...downs].every(end => end.closed)
  pass(5_000, () => {
    for (const end of [...ups, ...downs]) end.readAll()
    return over()
  })
  assert.ok(over())
  const kept = lingering()
  assert.equal(kept.length, 2 * flows, 'they linger')
  for (const flow of kept) assert.equal(flow.events, ignoreEvents)
})

test('of the flows that are over only so many linger', () => {
  const flows = 150
  const { ups, downs, pass, lingering } = crowd(flows, 1000)
  pass(5_000, () => {
    for (const end of [...ups, ...downs]) end.readAll()
    return [...ups, ...downs].every(end => end.closed)
  })
  assert.ok([...ups, ...downs].every(end => end.closed))
  assert.equal(lingering().length, 2 * LIMITS.lingeringFlows)
})

test('flows for which the guest has no room begin when others are over, and none is refused', () => {
  const { ups, downs, pass } = crowd(150, 1000, { ...LIMITS, keyBytes: MB })
  const over = () => [...ups, ...downs].every(end => end.closed)
  pass(1000)
  assert.ok(downs.length < 100, `${downs.length} have begun`)
  // Sooner than those that linger are over.
  pass(4000, () => {
    for (const end of [...ups, ...downs]) end.readAll()
    return downs.length === ups.length && over()
  })
  assert.ok(over())
  assert.deepEqual(
    [...ups, ...downs].filter(end => end.read !== 1000),
    []
  )
})

test('a peer that stops to answer: what is kept for it is bounded', () => {
  const flows = 150
  const { client, ups, pass, most } = crowd(flows, 2_000_000)
  pass(300)
  client.connection!.options.loss = 1
  pass(10_000)
  assert.ok(ups.some(end => end.written < 2_000_000))
  const bound = LIMITS.sessionQueue + flows * QUEUE
  assert.ok(most.queue <= bound, `${most.queue} of ${bound} queued`)
})

for (const quiet of [false, true]) {
  test(`a session that ${quiet ? 'expires' : 'is closed'} releases what its flows held`, () => {
    const { client, pass, held } = crowd(50, 2_000_000)
    pass(300)
    if (quiet) client.connection!.fallSilent()
    assert.ok(
      held().every(bytes => bytes > 0),
      `${held()}: there are windows and queues`
    )
    if (quiet) pass(EXPIRED_MS)
    else {
      client.session!.close('GOODBYE')
      pass(100)
    }
    assert.equal(client.session!.state, 'ended')
    assert.deepEqual(held(), [0, 0, 0, 0])
  })
}

test('unfinished UDP payloads count among what the guest keeps, and not beyond the connection', () => {
  const { world, server, client } = connected(1, { delay: 10, loss: 0.1 })
  for (let i = 0; i < 50; i++) client.session!.sendUdp(2, 1, new Uint8Array(60_000))
  world.pass(100)
  assert.ok(server.memory.used > 500_000, `${server.memory.used}`)
  client.connection!.die()
  world.pass(100)
  assert.equal(server.memory.used, 0)
})
