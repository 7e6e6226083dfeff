// Both ends of announcements under a virtual clock: what is passed on, how often, and what is not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonEvent } from '../../../src/events.js'
import { isAsked, isListed, lobbyOf } from '../../../src/games/lobby.js'
import { type AnnouncedMap, Announcer, type AnnouncerParts } from '../../../src/lan/announcer.js'
import type { LanListenerParts } from '../../../src/lan/lan-listener.js'
import { makeQueryListener } from '../../../src/lan/query-listener.js'
import { type RepeatedMap, Repeater } from '../../../src/lan/repeater.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { GETINFO, motd, shippedRecipe } from '../../support/games.js'

const craft = shippedRecipe('minecraft-java')
const lobby = lobbyOf(craft, 'tcp', 'minecraft-java: Friday')!
function advance(clock: VirtualClock, ms: number): void {
  const until = clock.now() + ms
  clock.at(until, () => {})
  clock.run(until)
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

test('a map takes part by its protocol', () => {
  assert.deepEqual(lobby, { game: 'minecraft-java', title: 'Friday', discovery: craft.discovery })
  assert.equal(lobbyOf(craft, 'tcpudp')?.title, 'Minecraft: Java Edition')
  assert.equal(lobbyOf(craft, 'udp'), undefined)
  assert.equal(lobbyOf(shippedRecipe('openttd'), 'tcp'), undefined)
  assert.equal(lobbyOf(shippedRecipe('openttd'), 'udp')?.game, 'openttd')
  assert.equal(lobbyOf(shippedRecipe('luanti'), 'udp'), undefined)
})

// --- the guest's side ---

function guest() {
  const clock = new VirtualClock()
  const sent: string[] = []
  const send = (from: string) => (payload: Uint8Array, port: number) =>
    void sent.push(`${from} -> ${port} ${Buffer.from(payload).toString('latin1')}`)
  const repeater = new Repeater({ clock, limits: LIMITS, log: silentLog, send: send('any') })
  const map = (more: Partial<RepeatedMap> = {}): RepeatedMap => ({
    localHost: '127.0.0.1',
    localPort: 25_566,
    lobby,
    udp: { send: send('map') },
    ...more
  })
  return { clock, sent, repeater, map }
}

test("an announcement is repeated with the guest's own port, on the game's port", () => {
  const { repeater, map, sent } = guest()
  assert.ok(repeater.repeat(map(), bytes(motd('A world', 25_565))))
  assert.ok(repeater.repeat(map({ localHost: '0.0.0.0', localPort: 1 }), bytes(motd('A world', 25_565))))
  assert.deepEqual(sent, [`any -> 4445 ${motd('A world', 25_566)}`, `any -> 4445 ${motd('A world', 1)}`])
})

test('a game that takes the sender for the server receives from the socket of the map', () => {
  const { repeater, map, sent } = guest()
  const field = { codec: 'none' } as const
  const discovery = { how: 'server-announces', port: 15_101, maxBytes: 8, field, everyMs: 1000 } as const
  assert.ok(repeater.repeat(map({ lobby: { game: 'game', title: 'Game', discovery } }), bytes('hello')))
  assert.deepEqual(sent, ['map -> 15101 hello'])
})

test('a host cannot have anything else sent', () => {
  const { repeater, map, sent } = guest()
  const good = bytes(motd('A world', 25_565))
  assert.ok(!repeater.repeat(map(), bytes('\xff\xff\xff\xffrcon')))
  assert.ok(!repeater.repeat(map({ lobby: undefined }), good))
  assert.ok(!repeater.repeat(map({ lobby: lobbyOf(shippedRecipe('openttd'), 'udp') }), good))
  assert.ok(!repeater.repeat(map({ localHost: '192.168.7.10' }), good))
  assert.deepEqual(sent, [])
})

test('a flood comes to no more than the limit, for each map', () => {
  const { clock, repeater, map, sent } = guest()
  const [one, other] = [map(), map({ localPort: 7 })]
  for (let i = 0; i < 1000; i++) {
    repeater.repeat(one, bytes(motd('A world', 25_565)))
    if (i === 500) repeater.repeat(other, bytes(motd('A world', 25_565)))
    advance(clock, 1)
  }
  const most = Math.ceil(1000 / LIMITS.announceMinMs)
  assert.equal(sent.filter(text => text.includes('25566')).length, most)
  assert.equal(sent.length, most + 1)
})

// --- the host's side ---

class TestListener {
  open = async (): Promise<void> => {}
  closed = false
  constructor(readonly parts: LanListenerParts) {}
  close = async (): Promise<void> => {
    this.closed = true
  }
  hear(text: string, address = '192.168.7.10', port = 50_000): void {
    this.parts.onmessage(bytes(text), { address, port, family: 'IPv4', size: text.length })
  }
}

async function host(maps: readonly AnnouncedMap[], more: Partial<AnnouncerParts> = {}) {
  const clock = new VirtualClock()
  const listeners: TestListener[] = []
  const told: string[] = []
  const asked: string[] = []
  const events: DaemonEvent[] = []
  const announcer = new Announcer({
    maps,
    clock,
    limits: LIMITS,
    log: silentLog,
    isHeard: () => true,
    isShared: () => false,
    announce: (map, payload) => void told.push(`${map} ${Buffer.from(payload)}`),
    answers: ({ host, port }) => {
      asked.push(`${host}:${port}`)
      return true
    },
    emit: event => void events.push(event),
    listener: parts => {
      const listener = new TestListener(parts)
      listeners.push(listener)
      return listener
    },
    ...more
  })
  await announcer.start()
  /** Time passes, and promises settle in between. */
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 500) {
      advance(clock, 500)
      await Promise.resolve()
    }
  }
  return { clock, listeners, told, asked, events, announcer, pass }
}

const map = (id: number, port: number, more: Partial<AnnouncedMap> = {}): AnnouncedMap => ({
  id,
  proto: 'tcp',
  port,
  host: '127.0.0.1',
  lobby,
  ...more
})

test('the announcement of a shared game goes to the guests as it came, with the number of its map', async () => {
  const { listeners, told, clock } = await host([
    map(4, 25_565),
    map(5, 25_570),
    map(6, 80, { lobby: undefined })
  ])
  assert.equal(listeners.length, 1)
  assert.deepEqual(
    [listeners[0]!.parts.port, listeners[0]!.parts.group, listeners[0]!.parts.others],
    [4445, '224.0.2.60', []]
  )
  listeners[0]!.hear(motd('One', 25_565))
  listeners[0]!.hear(motd('Two', 25_570))
  listeners[0]!.hear('no announcement')
  // Not twice at once.
  listeners[0]!.hear(motd('One', 25_565))
  advance(clock, LIMITS.announceMinMs)
  listeners[0]!.hear(motd('One', 25_565))
  assert.deepEqual(told, [`4 ${motd('One', 25_565)}`, `5 ${motd('Two', 25_570)}`, `4 ${motd('One', 25_565)}`])
})

test('nothing is listened to where no game announces', async () => {
  const queried = lobbyOf(shippedRecipe('openttd'), 'udp')!
  const { listeners } = await host([map(1, 3979, { lobby: queried }), map(2, 80, { lobby: undefined })])
  assert.deepEqual(listeners, [])
})

test('announcements of a game on another computer come from there', async () => {
  const { listeners } = await host([map(1, 25_565, { host: '192.168.7.20' })])
  assert.deepEqual(listeners[0]!.parts.others, ['192.168.7.20'])
})

test('a game that is open on another port is reported once, with what to do', async () => {
  const { listeners, told, events } = await host([map(1, 25_565)])
  for (let i = 0; i < 3; i++) listeners[0]!.hear(motd('A world', 51_234))
  // On loopback it is what a guest of somebody else's hears here: passed on, it would go in circles.
  listeners[0]!.hear(motd('A world', 25_566), '127.0.0.1')
  assert.deepEqual(told, [])
  assert.deepEqual(
    events.map(event => (event.event === 'warning' ? [event.code, event.port, event.maps] : [])),
    [['GAME_ELSEWHERE', 51_234, [{ proto: 'tcp', port: 25_565, host: '127.0.0.1' }]]]
  )
  assert.match(
    JSON.stringify(events[0]),
    /open on port 51234, but port 25565 is shared: .* hyper-nat host minecraft-java --port 51234/
  )
})

test('a game that is open on the port of another server of this node is no news, until that is gone', async () => {
  const shared = new Set([25_565, 25_566])
  const { listeners, told, events } = await host([map(1, 25_565)], { isShared: port => shared.has(port) })
  listeners[0]!.hear(motd('Creative', 25_566))
  assert.deepEqual([told, events], [[], []])
  shared.delete(25_566)
  listeners[0]!.hear(motd('Creative', 25_566))
  assert.deepEqual(
    events.map(event => event.event === 'warning' && event.code),
    ['GAME_ELSEWHERE']
  )
})

test('not more than so many games elsewhere are reported, and remembered', async () => {
  const { listeners, events } = await host([map(1, 25_565)])
  for (let i = 0; i < LIMITS.gamesElsewhere + 50; i++) listeners[0]!.hear(motd('A world', 30_000 + i))
  assert.equal(events.length, LIMITS.gamesElsewhere)
})

test('a server that makes no announcement is announced while it answers', async () => {
  let up = false
  const { told, pass, announcer } = await host([map(3, 25_565)], { answers: () => up })
  await pass(3000)
  assert.deepEqual(told, [])
  up = true
  await pass(3000)
  assert.ok(told.length > 0)
  assert.ok(told.every(text => text === `3 ${motd('Friday', 25_565)}`))
  up = false
  const most = told.length
  await pass(30_000)
  assert.equal(told.length, most)
  await announcer.close()
})

test('a game that announces itself is left to do so', async () => {
  const { listeners, told, asked, pass, announcer } = await host([map(3, 25_565)])
  listeners[0]!.hear(motd('My world', 25_565))
  await pass(LIMITS.announceFreshMs - 1000)
  assert.deepEqual([told, asked], [[`3 ${motd('My world', 25_565)}`], []])
  await announcer.close()
  assert.ok(listeners[0]!.closed)
})

test('without guests no server is disturbed', async () => {
  const { asked, told, pass } = await host([map(3, 25_565)], { isHeard: () => false })
  await pass(60_000)
  assert.deepEqual([asked, told], [[], []])
})

// --- queries ---

test('games ask on the port of a map that is in their range, on loopback', () => {
  const lobby = lobbyOf(shippedRecipe('openarena'), 'udp')!
  const at = (localPort: number, localHost = '127.0.0.1') => isAsked({ localPort, localHost, lobby })
  assert.deepEqual(
    [27_959, 27_960, 27_963, 27_964].map(port => at(port)),
    [false, true, true, false]
  )
  assert.ok(at(27_960, 'localhost'))
  // There, the socket of the map hears them itself, and lets the LAN in.
  assert.ok(!at(27_960, '0.0.0.0'))
  assert.ok(!isAsked({ localPort: 27_960, localHost: '127.0.0.1' }))
})

test('a game lists what it asks, and what it finds at 127.0.0.1 when it is announced', () => {
  const asked = lobbyOf(shippedRecipe('openarena'), 'udp')!
  const of = (own: typeof lobby | undefined, localPort: number, localHost = '127.0.0.1') =>
    isListed({ lobby: own, localPort, localHost })
  assert.deepEqual([of(asked, 27_960), of(asked, 28_500), of(undefined, 27_960)], [true, false, false])
  assert.deepEqual(
    ['127.0.0.2', '0.0.0.0', '192.0.2.2', '::1'].map(host => of(asked, 27_960, host)),
    [true, true, false, false]
  )
  assert.deepEqual(
    ['127.0.0.1', '0.0.0.0', '127.0.0.2', '::1'].map(host => of(lobby, 50_000, host)),
    [true, true, false, false]
  )
})

test('a listener forwards queries only, and not too many', () => {
  const clock = new VirtualClock()
  const carried: string[] = []
  const events: DaemonEvent[] = []
  let listener: TestListener | undefined
  makeQueryListener({
    lobby: lobbyOf(shippedRecipe('openarena'), 'udp', 'openarena: Friday')!,
    port: 27_960,
    clock,
    limits: LIMITS,
    log: silentLog,
    emit: event => void events.push(event),
    onquery: (payload, from) =>
      void carried.push(`${from.address}:${from.port} ${Buffer.from(payload).toString('latin1')}`),
    listener: parts => (listener = new TestListener(parts))
  })
  const hear = (text: string): void =>
    listener!.parts.onmessage(Buffer.from(text, 'latin1'), {
      address: '10.0.0.2',
      port: 9,
      family: 'IPv4',
      size: 1
    })
  hear('something else')
  hear(GETINFO)
  assert.deepEqual(carried, [`10.0.0.2:9 ${GETINFO}`])
  for (let i = 0; i < 10_000; i++) {
    hear(GETINFO)
    advance(clock, 1)
  }
  const most = LIMITS.queriesAtOnce + 10 * LIMITS.queriesPerSecond
  assert.ok(carried.length > most - 5 && carried.length <= most, `${carried.length}`)
  listener!.parts.onbusy('EADDRINUSE')
  assert.match(
    JSON.stringify(events),
    /LOBBY_CLOSED.*Friday is not in the LAN list .* UDP port 27960 \(EADDRINUSE\): start hyper-nat before the game/
  )
})
