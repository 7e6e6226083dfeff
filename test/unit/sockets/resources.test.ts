import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import type { KeyUsage } from '../../../src/sockets/key-usage.js'
import { Resources } from '../../../src/sockets/resources.js'
import type { SocketUsage } from '../../../src/sockets/socket-usage.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const MB = 1024 * 1024

/** A session with a connection, and nothing in its windows. */
const idle = { windowBytes: () => 0, awaySince: () => null }

class Bench {
  readonly clock = new VirtualClock()
  readonly warnings: string[] = []
  readonly ended: SocketUsage[] = []
  released = 0
  readonly resources: Resources

  constructor(sockets = 1000, limits: Partial<typeof LIMITS> = {}) {
    const log = { ...silentLog, warn: (_: object, message: string) => this.warnings.push(message) }
    this.resources = new Resources({
      clock: this.clock,
      limits: { ...LIMITS, keyBytes: 64 * MB, ...limits },
      log: log as unknown as typeof silentLog,
      sockets,
      onreleased: () => void this.released++
    })
  }

  open(key: KeyUsage): SocketUsage | null {
    const socket = key.openSocket(() => this.ended.push(socket!))
    return socket
  }
}

test('a key over its limit loses its largest flows, others keep theirs, and memory is released', async () => {
  const bench = new Bench()
  const [anna, ben] = [bench.resources.enter('a', 'anna'), bench.resources.enter('b', 'ben')]
  const [small, large, other] = [bench.open(anna)!, bench.open(anna)!, bench.open(ben)!]
  small.add(20 * MB)
  large.add(40 * MB)
  other.add(30 * MB)
  await setImmediate()
  assert.deepEqual(bench.ended, [])
  small.add(10 * MB)
  await setImmediate()
  assert.deepEqual(bench.ended, [large])
  assert.ok(anna.memory.used < 31 * MB)
  for (const socket of [small, large, other]) socket.close()
  assert.equal(bench.resources.memory.used, 0)
})

test('when the process is short, the greediest key loses flows first, and the log says so once', async () => {
  const bench = new Bench(1000, { processBytes: 100 * MB })
  const keys = ['a', 'b', 'c'].map(name => bench.resources.enter(name, name))
  const sockets = keys.map(key => Array.from({ length: 4 }, () => bench.open(key)!))
  for (const socket of sockets[0]!) socket.add(5 * MB)
  for (const socket of sockets[1]!) socket.add(15 * MB)
  for (const socket of sockets[2]!) socket.add(6 * MB)
  await setImmediate()
  assert.deepEqual(bench.ended, [sockets[1]![0]])
  sockets[1]![1]!.add(15 * MB)
  await setImmediate()
  assert.deepEqual(bench.ended.length, 2)
  assert.ok(bench.ended.every(socket => socket.key === keys[1]))
  assert.equal(bench.warnings.length, 1)
})

test('bytes behind gaps, of all sessions of a key, have a sixth of its memory, which they are charged to', () => {
  const { resources } = new Bench()
  const key = resources.enter('a', 'anna')
  let kept = 0
  while (kept < LIMITS.keyBytes && key.gaps.borrow(MB)) kept += MB
  assert.equal(kept, Math.floor(key.memory.size / 6 / MB) * MB)
  assert.deepEqual([key.memory.used, resources.memory.used], [kept, kept])
  key.gaps.giveBack(kept)
  assert.equal(resources.memory.used, 0)
})

test('a key without room is refused a socket, and loses none', async () => {
  const bench = new Bench()
  const [anna, ben] = [bench.resources.enter('a', 'anna'), bench.resources.enter('b', 'ben')]
  anna.kept.charge(64 * MB - 20_000)
  assert.ok(bench.open(anna))
  assert.ok(bench.open(anna))
  assert.equal(bench.open(anna), null)
  assert.ok(bench.open(ben))
  await setImmediate()
  assert.deepEqual(bench.ended, [])
})

test('when flows keep nothing, the session that does is ended', async () => {
  const bench = new Bench()
  const key = bench.resources.enter('a', 'anna')
  let ended = ''
  for (const [name, bytes] of [
    ['first', 10],
    ['second', 60]
  ] as const) {
    key.addSession({
      ...idle,
      bytes: () => bytes,
      end: () => {
        ended += name
        key.kept.giveBack(bytes * MB)
      }
    })
    key.kept.charge(bytes * MB)
  }
  key.charged()
  await setImmediate()
  assert.equal(ended, 'second')
})

test('out of descriptors, the key that has most makes room for others, and gets none itself', () => {
  const bench = new Bench(10)
  const [greedy, modest] = [bench.resources.enter('a', 'greedy'), bench.resources.enter('b', 'modest')]
  const first = bench.open(greedy)!
  for (let i = 1; i < 10; i++) bench.open(greedy)
  assert.equal(bench.open(greedy), null)
  assert.deepEqual(bench.ended, [])
  assert.ok(bench.open(modest))
  assert.deepEqual(bench.ended, [first])
  // It is closed a moment later, and counts until then.
  assert.equal(bench.resources.sockets, 11)
  first.close()
  assert.equal(bench.resources.sockets, 10)
})

test('new UDP flows are metered per key, and for all keys together', () => {
  const bench = new Bench()
  const take = (key: KeyUsage): number => {
    let count = 0
    while (count < 10_000 && key.takeUdpFlow()) count++
    return count
  }
  assert.equal(take(bench.resources.enter('0', '0')), LIMITS.udpFlowBurst)
  let all = LIMITS.udpFlowBurst
  for (let i = 1; i < 100; i++) all += take(bench.resources.enter(`${i}`, `${i}`))
  assert.equal(all, LIMITS.processUdpFlowsPerSecond / 4)
})

test('flows to programs that do not read are ended, those that have waited longest first, down to what the system may keep', () => {
  const bench = new Bench(1000, { keyBytes: 1000 * MB })
  const key = bench.resources.enter('a', 'anna')
  const stalled = Array.from({ length: 100 }, () => {
    const socket = bench.open(key)!
    socket.add(4 * MB)
    socket.remove(3 * MB)
    return socket
  })
  const reads = bench.open(key)!
  const read = (): void => {
    reads.add(MB)
    reads.remove(MB)
    bench.clock.after(100, read)
  }
  read()
  bench.clock.run(LIMITS.stalledMs - 1)
  assert.deepEqual(bench.ended, [])
  bench.clock.run(LIMITS.stalledMs + 1000)
  const most = Math.floor(LIMITS.keyKernelBytes / (3 * MB))
  assert.deepEqual(bench.ended, stalled.slice(0, stalled.length - most))
})

test("windows of all keys together stay within the process's bound", () => {
  const bench = new Bench(1000, { processBytes: 40 * MB, keyWindow: 32 * MB })
  const [anna, ben] = [bench.resources.enter('a', 'anna'), bench.resources.enter('b', 'ben')]
  assert.equal(anna.windows.borrow(32 * MB), true)
  assert.equal(ben.windows.borrow(9 * MB), false)
  assert.equal(ben.windows.borrow(8 * MB), true)
  anna.windows.giveBack(32 * MB)
  assert.equal(ben.windows.borrow(24 * MB), true)
})

test('a session that is ended has time to release its memory before the next one is', async () => {
  const bench = new Bench()
  const key = bench.resources.enter('a', 'anna')
  const ended: number[] = []
  const sizes = [10, 50, 40]
  for (const bytes of sizes)
    key.addSession({ ...idle, bytes: () => bytes, end: () => void ended.push(bytes) })
  const socket = bench.open(key)!
  key.kept.charge(100 * MB)
  key.charged()
  await setImmediate()
  socket.add(1)
  await setImmediate()
  assert.deepEqual([ended, bench.ended], [[50], [socket]])
  key.kept.giveBack(50 * MB)
  bench.clock.run(2000)
  assert.deepEqual(ended, [50])
  key.kept.charge(50 * MB)
  bench.clock.run(3000)
  assert.deepEqual(ended, [50, 40, 10])
})

test('a guest without a flow is looked at, too: of its sessions, the one that keeps most ends', () => {
  const bench = new Bench()
  const key = bench.resources.enter('a', 'anna')
  const ended: number[] = []
  for (const bytes of [30, 40])
    key.addSession({ ...idle, bytes: () => bytes, end: () => void ended.push(bytes) })
  key.memory.charge(50 * MB)
  bench.clock.run(1000)
  assert.deepEqual(ended, [])
  key.memory.charge(20 * MB)
  bench.clock.run(1500)
  assert.deepEqual(ended, [40])
})

test('sockets that are being closed count as gone', async () => {
  const most = 1.25 * MB
  const bench = new Bench(10_000, { keyBytes: most })
  const key = bench.resources.enter('a', 'anna')
  key.addSession({ ...idle, bytes: () => 1, end: () => assert.fail('the session was ended') })
  const sockets = Array.from({ length: 127 }, () => bench.open(key)!)
  for (const socket of sockets) socket.add(3000)
  await setImmediate()
  // They are closed a moment later, and with each its 8 kB.
  const each = 8 * 1024 + 3000
  assert.equal(bench.ended.length, Math.ceil((127 * each - most) / each))
  assert.ok(key.memory.used > most)
  assert.equal(bench.resources.sockets, 127)
  for (const socket of bench.ended) socket.close()
  assert.equal(bench.resources.sockets, 117)
  assert.ok(key.memory.used <= most)
})

test('a key that has nothing to end does not keep the others from making room', async () => {
  const bench = new Bench(1000, { processBytes: 100 * MB })
  const [first, second] = [bench.resources.enter('a', 'first'), bench.resources.enter('b', 'second')]
  first.kept.charge(60 * MB)
  const socket = bench.open(second)!
  socket.add(50 * MB)
  await setImmediate()
  assert.deepEqual(bench.ended, [socket])
})

test('while the memory of an ended session is being released, no other session is ended', async () => {
  const bench = new Bench(1000, { processBytes: 100 * MB, keyBytes: 200 * MB })
  const [first, second] = [bench.resources.enter('a', 'first'), bench.resources.enter('b', 'second')]
  let ended = 0
  first.addSession({ ...idle, bytes: () => 90 * MB, end: () => void ended++ })
  first.kept.charge(90 * MB)
  const socket = bench.open(second)!
  socket.add(20 * MB)
  await setImmediate()
  socket.add(1)
  await setImmediate()
  assert.deepEqual([ended, bench.ended], [1, []])
  first.kept.giveBack(90 * MB)
  bench.clock.run(2000)
  assert.deepEqual(bench.ended, [])
})

test('what flows keep for their peers is looked at, too, though nothing reports it', () => {
  const bench = new Bench()
  const key = bench.resources.enter('a', 'anna')
  const socket = bench.open(key)!
  socket.add(1000)
  key.kept.charge(64 * MB)
  bench.clock.run(1000)
  assert.deepEqual(bench.ended, [socket])
})

test('a guest who is away keeps a little, and the sessions that keep most end when that was exceeded for a while', () => {
  const bench = new Bench(10)
  const key = bench.resources.enter('a', 'anna')
  const socket = bench.open(key)!
  const lostAt: (number | null)[] = [null, null]
  const ended: number[] = []
  const sessions = [4, 14].map((mb, i) => {
    if (i > 0) bench.resources.enter('a', 'anna')
    key.kept.charge(mb * MB)
    const session = {
      bytes: () => mb * MB,
      windowBytes: () => MB,
      awaySince: () => lostAt[i]!,
      end: () => {
        ended.push(i)
        key.kept.giveBack(mb * MB)
        key.leave(session)
      }
    }
    key.addSession(session)
    return session
  })
  assert.equal(sessions.length, 2)
  bench.clock.run(20_000)
  lostAt[1] = bench.clock.now()
  bench.clock.run(40_000)
  assert.deepEqual(ended, [], 'one of its sessions has a connection')
  lostAt[0] = bench.clock.now()
  bench.clock.run(40_000 + LIMITS.awayMs - 500)
  assert.deepEqual(ended, [])
  bench.clock.run(40_000 + LIMITS.awayMs + 1000)
  assert.deepEqual(ended, [1], 'what the other keeps may wait')
  bench.clock.run(100_000)
  assert.deepEqual(ended, [1])
  socket.close()
})

test('when a key that used much is gone, garbage may be collected; a small one leaves none worth it', () => {
  const bench = new Bench()
  const use = (bytes: number): void => {
    const key = bench.resources.enter('a', 'anna')
    const socket = bench.open(key)!
    socket.add(bytes)
    bench.clock.run(bench.clock.now() + 1000)
    socket.close()
    key.leave()
    bench.clock.run(bench.clock.now() + 10_000)
  }
  use(MB)
  assert.equal(bench.released, 0)
  use(30 * MB)
  assert.equal(bench.released, 1)
})

test('garbage may be collected as soon as a key that used much is away', () => {
  const bench = new Bench()
  const key = bench.resources.enter('a', 'anna')
  let lostAt: number | null = null
  key.addSession({ ...idle, bytes: () => 0, awaySince: () => lostAt, end: () => assert.fail('it ended') })
  key.memory.charge(30 * MB)
  bench.clock.run(1000)
  key.memory.giveBack(30 * MB)
  bench.clock.run(5000)
  assert.equal(bench.released, 0)
  lostAt = 5000
  bench.clock.run(9000)
  assert.equal(bench.released, 1)
  bench.clock.run(20_000)
  assert.equal(bench.released, 1)
})

test('beyond what ordinary traffic keeps, buffers are of memory that the system gets back', () => {
  const { resources } = new Bench()
  const isPaged = (size: number): boolean => {
    const bytes = resources.alloc(size)
    assert.equal(bytes.byteLength, size)
    return (bytes.buffer as ArrayBuffer & { resizable: boolean }).resizable
  }
  assert.ok(!isPaged(65_536))
  const key = resources.enter('a', 'anna')
  key.kept.charge(20 * MB)
  assert.ok(isPaged(65_536))
  assert.ok(!isPaged(1000))
  key.kept.giveBack(20 * MB)
  assert.ok(!isPaged(65_536))
})
