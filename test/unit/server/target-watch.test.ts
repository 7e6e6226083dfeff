import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetState } from '../../../src/events.js'
import { TARGET_WATCH } from '../../../src/limits.js'
import type { SharedMap } from '../../../src/server/shared-maps.js'
import { TargetWatch } from '../../../src/server/target-watch.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const { closedMs, answeringMs } = TARGET_WATCH

const ELSEWHERE = '192.0.2.20'

/** Another address of this computer. */
const LAN = '192.0.2.30'

function mapOf(id: number, more: Partial<SharedMap> = {}): SharedMap {
  const off = { playerAddresses: false, proxyProtocol: false, duplicate: false }
  return { id, proto: 'tcp', port: 1000 + id, host: '127.0.0.1', ...off, ...more }
}

/** A map of a game on another computer. */
function gameOf(id: number, more: Partial<SharedMap> = {}): SharedMap {
  return mapOf(id, { host: ELSEWHERE, name: 'minecraft-java: Friday', ...more })
}

/** A watch over targets that a test opens and closes, as their ports say. */
class Scene {
  readonly clock = new VirtualClock()
  readonly told: string[] = []
  /** Maps that were probed, in that order. */
  readonly probes: string[] = []
  /** What programs listen to, as `tcp 1001`. */
  readonly open = new Set<string>()
  /** What the table does not list. */
  readonly unlisted = new Set<string>()
  /** Ports that answer no probe, and refuse none. */
  readonly silent = new Set<string>()
  /** How often the table was read. */
  looks = 0
  hasTable = true
  readonly shared: SharedMap[]
  /** Holds up each reading of the table until it is called. */
  held: (() => void)[] | null = null
  readonly watch = new TargetWatch({
    clock: this.clock,
    maps: () => this.shared,
    onchange: ({ id }, state) => void this.told.push(`${id} ${state}`),
    ontcp: ({ id }) => void this.told.push(`${id} tcp`),
    onelsewhere: ({ id }, address) => void this.told.push(`${id} at ${address}`),
    addresses: () => [LAN],
    listeners: async () => {
      this.looks++
      const { held, hasTable } = this
      const listed = new Set([...this.open].filter(one => !this.unlisted.has(one)))
      if (held) await new Promise<void>(resolve => held.push(resolve))
      return hasTable
        ? (proto, host, port) => listed.has(host === LAN ? `${proto} ${host} ${port}` : `${proto} ${port}`)
        : null
    },
    probe: async ({ port, proto }): Promise<TargetState> => {
      const name = `${proto === 'udp' ? 'udp' : 'tcp'} ${port}`
      this.probes.push(name)
      if (this.silent.has(name)) return 'unknown'
      return this.open.has(name) ? 'answers' : 'closed'
    }
  })

  constructor(...maps: SharedMap[]) {
    this.shared = maps
  }

  /** Looks are asynchronous: their answers need turns of the event loop. */
  async after(ms: number): Promise<void> {
    this.clock.run(this.clock.now() + ms)
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  async start(): Promise<void> {
    this.watch.check()
    await this.after(0)
  }
}

test('a closed target is reported once, and again when it answers', async () => {
  const map = mapOf(1)
  const scene = new Scene(map)
  assert.equal(scene.watch.of(map), 'unknown')
  await scene.start()
  await scene.after(closedMs)
  assert.deepEqual(scene.told, ['1 closed'])
  scene.open.add('tcp 1001')
  await scene.after(closedMs)
  assert.deepEqual(scene.told, ['1 closed', '1 answers'])
  assert.equal(scene.watch.of(map), 'answers')
})

test('a game that listens at another address of this computer is found there, once', async () => {
  const scene = new Scene(mapOf(1), mapOf(2, { host: ELSEWHERE }))
  await scene.start()
  assert.deepEqual(scene.told, ['1 closed'])
  scene.open.add(`tcp ${LAN} 1001`).add(`tcp ${LAN} 1002`)
  await scene.after(3 * closedMs)
  assert.deepEqual(scene.told, ['1 closed', `1 at ${LAN}`])
})

test('a target that answers from the start is no news; one that closes later is', async () => {
  const scene = new Scene(mapOf(1))
  scene.open.add('tcp 1001')
  await scene.start()
  await scene.after(closedMs)
  assert.deepEqual(scene.told, [])
  scene.open.clear()
  await scene.after(answeringMs)
  assert.deepEqual(scene.told, ['1 closed'])
})

test('targets on this computer are never connected to while they listen, and UDP is seen without a query', async () => {
  const [tcp, udp] = [mapOf(1), mapOf(2, { proto: 'udp' })]
  const scene = new Scene(tcp, udp)
  scene.open.add('tcp 1001').add('udp 1002')
  await scene.start()
  await scene.after(10 * answeringMs)
  assert.deepEqual([scene.watch.of(tcp), scene.watch.of(udp)], ['answers', 'answers'])
  scene.open.clear()
  await scene.after(answeringMs)
  scene.open.add('tcp 1001').add('udp 1002')
  await scene.after(closedMs)
  assert.deepEqual(scene.told, ['1 closed', '2 closed', '1 answers', '2 answers'])
  assert.deepEqual(scene.probes, [])
})

test('a game on another computer is not probed again once it answers', async () => {
  const scene = new Scene(gameOf(1))
  await scene.start()
  scene.open.add('tcp 1001')
  await scene.after(closedMs)
  assert.deepEqual(scene.probes, ['tcp 1001', 'tcp 1001'])
  await scene.after(10 * answeringMs)
  scene.watch.check()
  await scene.after(0)
  assert.deepEqual(scene.probes, ['tcp 1001', 'tcp 1001'])
})

test('a program on another computer, or where there is no table, is not probed unless it is a game', async () => {
  const [far, near] = [mapOf(1, { host: ELSEWHERE, name: 'web' }), mapOf(2)]
  const scene = new Scene(far, near)
  scene.hasTable = false
  await scene.start()
  await scene.after(10 * answeringMs)
  assert.deepEqual([scene.probes, scene.watch.of(far), scene.watch.of(near)], [[], 'unknown', 'unknown'])
  scene.watch.learn(far, 'closed')
  await scene.after(10 * closedMs)
  scene.watch.learn(far, 'answers')
  assert.deepEqual([scene.probes, scene.told], [[], ['1 closed', '1 answers']])
})

test('what the table does not list is probed once, and is not closed when it answers', async () => {
  const [hidden, closed] = [mapOf(1), mapOf(2)]
  const scene = new Scene(hidden, closed)
  scene.open.add('tcp 1001')
  scene.unlisted.add('tcp 1001').add('tcp 1002')
  await scene.start()
  await scene.after(10 * closedMs)
  assert.deepEqual([scene.probes, scene.told], [['tcp 1001', 'tcp 1002'], ['2 closed']])
  // The other one begins later, and a guest is the first to notice.
  scene.open.add('tcp 1002')
  scene.watch.learn(closed, 'answers')
  await scene.after(10 * closedMs)
  assert.deepEqual(scene.told, ['2 closed', '2 answers'])
})

test("what a guest's flow shows counts at once, and starts probing again", async () => {
  const map = gameOf(1)
  const scene = new Scene(map)
  scene.open.add('tcp 1001')
  await scene.start()
  scene.open.clear()
  scene.watch.learn(map, 'closed')
  assert.deepEqual(scene.told, ['1 closed'])
  scene.open.add('tcp 1001')
  await scene.after(closedMs)
  assert.deepEqual(scene.told, ['1 closed', '1 answers'])
})

test('a guest that is refused again and again does not put off the next look', async () => {
  const map = mapOf(1)
  const scene = new Scene(map)
  await scene.start()
  scene.open.add('tcp 1001')
  for (let i = 0; i < 4; i++) {
    await scene.after(closedMs / 4)
    scene.watch.learn(map, 'closed')
  }
  assert.deepEqual(scene.told.slice(0, 2), ['1 closed', '1 answers'])
})

test('a probe without an answer does not contradict what guests have shown', async () => {
  const map = gameOf(1, { proto: 'udp' })
  const scene = new Scene(map)
  scene.silent.add('udp 1001')
  await scene.start()
  assert.equal(scene.watch.of(map), 'unknown')
  scene.watch.learn(map, 'closed')
  await scene.after(closedMs)
  assert.equal(scene.watch.of(map), 'closed')
  scene.watch.learn(map, 'answers')
  scene.watch.check()
  await scene.after(10 * answeringMs)
  assert.deepEqual([scene.watch.of(map), scene.told], ['answers', ['1 closed', '1 answers']])
})

test('maps that come while a look is under way are looked at, and what a guest shows meanwhile holds', async () => {
  const [first, second] = [mapOf(1), mapOf(2)]
  const scene = new Scene(first)
  const held: (() => void)[] = []
  scene.held = held
  scene.watch.check()
  await scene.after(0)
  scene.shared.push(second)
  scene.watch.check()
  scene.open.add('tcp 1001')
  scene.watch.learn(first, 'answers')
  scene.held = null
  for (const release of held) release()
  await scene.after(0)
  assert.deepEqual([scene.watch.of(first), scene.told], ['answers', ['2 closed']])
})

test('maps whose features have changed keep their state, others are forgotten, and nothing runs after the end', async () => {
  const [first, second] = [mapOf(1), mapOf(2)]
  const scene = new Scene(first, second)
  await scene.start()
  scene.shared.splice(0, 2, { ...second, duplicate: true })
  await scene.start()
  assert.deepEqual([scene.watch.of(first), scene.watch.of(second)], ['unknown', 'closed'])
  const { looks } = scene
  await scene.after(closedMs)
  assert.equal(scene.looks, looks + 1)
  scene.watch.close()
  await scene.after(10 * closedMs)
  assert.equal(scene.looks, looks + 1)
  assert.deepEqual(scene.told, ['1 closed', '2 closed'])
})

test('a port that is shared over UDP alone, and answers over TCP alone, is reported once', async () => {
  const udp = (id: number, more: Partial<SharedMap> = {}) => mapOf(id, { proto: 'udp', ...more })
  const both = { ...mapOf(2), id: 9 }
  const scene = new Scene(
    udp(1),
    udp(2),
    both,
    udp(3),
    udp(4),
    udp(5, { name: 'valheim' }),
    udp(6, { host: ELSEWHERE }),
    udp(7, { host: ELSEWHERE, name: 'valheim' })
  )
  for (const id of [1, 2, 4, 5, 6, 7]) scene.open.add(`tcp ${1000 + id}`)
  scene.open.add('udp 1004')
  await scene.start()
  await scene.start()
  assert.deepEqual(
    scene.told.filter(text => text.endsWith('tcp')),
    ['1 tcp', '6 tcp']
  )
})

test('games whose servers are announced are watched before others', async () => {
  const many = Array.from({ length: TARGET_WATCH.maps + 10 }, (_, i) => mapOf(i + 1))
  const discovery = {
    how: 'server-announces',
    port: 1,
    maxBytes: 1,
    field: { codec: 'none' },
    everyMs: 1000
  } as const
  const last = mapOf(500, { lobby: { game: 'one', title: 'One', discovery } })
  const scene = new Scene(...many, last)
  scene.open.add('tcp 1500').add('tcp 1001')
  await scene.start()
  const known = [many[0]!, many.at(-1)!, last].map(map => scene.watch.of(map))
  assert.deepEqual(known, ['answers', 'unknown', 'answers'])
})
