// What the page does to the options file, with a daemon that only reads it again.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HyperNatError, OptionsError } from '../../../src/errors.js'
import { decodeKey, encodeKey, shortKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { decodeTicket, encodeTicket } from '../../../src/identity/ticket.js'
import type { Options } from '../../../src/options/entry.js'
import { parseOptions, readOptionsIfThere } from '../../../src/options/file.js'
import type { Friend } from '../../../src/options/friends.js'
import { Actions } from '../../../src/ui/actions.js'
import { isAction } from '../../../src/ui/requests.js'
import { viewOf } from '../../../src/ui/view.js'
import { Warnings } from '../../../src/ui/warnings.js'
import type { Action, Answers, FriendState, Requests } from '../../../src/ui/wire.js'
import type { Clock } from '../../../src/util/clock.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { idleStatus } from '../../support/idle-status.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-ui-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let files = 0

const FRIEND = keyPairOf(new Secret('a friend')).publicKey

const NOW = Date.parse('2030-01-01T00:00:00Z')

/** Its timers keep the test alive. */
/** How long the page waits for a change. */
const RELOAD_MS = 1000

const clock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    return { cancel: () => clearTimeout(timer) }
  }
}

/** A page over a file of its own. */
class Desk {
  readonly file = join(folder, `${++files}.json`)
  readonly warnings = new Warnings(20)
  readonly friendsFile = join(folder, `friends-${files}.json`)
  /** Servers that the network has heard of. */
  readonly announced = new Set<string>()
  reloads = 0
  now = NOW
  current: Options = parseOptions('{ "schema": [] }')
  readonly actions: Actions
  /** What reading the file again does beside. */
  onReload: () => Promise<void> = async () => {}

  constructor(text?: string, time: Clock = clock) {
    if (text !== undefined) writeFileSync(this.file, text, { mode: 0o600 })
    this.actions = new Actions({
      file: this.file,
      friendsFile: this.friendsFile,
      daemon: this,
      view: () => this.view,
      hide: id => this.warnings.hide(id),
      clock: time,
      timeOfDay: () => this.now,
      limits: { reloadMs: RELOAD_MS }
    })
  }

  get view() {
    return viewOf(this.current, idleStatus(), { file: this.file, restart: [], warnings: this.warnings.list })
  }

  get text(): string {
    return readFileSync(this.file, 'utf8')
  }

  async reload(): Promise<void> {
    this.reloads++
    this.current = await readOptionsIfThere(this.file)
    await this.onReload()
  }

  async presence(friends: readonly Friend[]): Promise<FriendState[]> {
    return friends.map(({ publicKey }) => ({
      publicKey,
      state: this.announced.has(publicKey) ? 'announced' : 'away'
    }))
  }

  do<A extends Action>(action: A, request: Requests[A]) {
    // Answers of one action have one type, which the table of actions does not show.
    return this.actions.run(action, request) as Promise<Answers[A]>
  }

  /** Hosts TCP 25565. */
  host(isPrivate = false) {
    const rows = [{ ports: '25565', proto: 'tcp' }]
    return this.do('host', { name: 'My game', rows, host: '', private: isPrivate })
  }

  async faults(action: Action, request: unknown): Promise<string[]> {
    const before = existsSync(this.file) ? this.text : null
    try {
      await this.actions.run(action, request)
    } catch (err) {
      assert.ok(err instanceof HyperNatError, String(err))
      assert.equal(existsSync(this.file) ? this.text : null, before, 'nothing was changed')
      return err instanceof OptionsError
        ? err.faults.map(({ path, message }) => `${path}: ${message}`)
        : [err.code]
    }
    throw new Error('was done')
  }
}

test('hosting makes a file that only its owner reads, with a secret of its own for each share', async () => {
  const desk = new Desk()
  const rows = [
    { ports: '25565', proto: 'tcp' },
    { ports: '27015-27016, 27020', proto: 'tcp+udp' }
  ]
  const first = await desk.do('host', { name: ' My game ', rows, host: '192.168.1.20', private: true })
  assert.equal(desk.reloads, 1)
  if (process.platform !== 'win32') assert.equal(statSync(desk.file).mode & 0o777, 0o600)
  const { schema } = JSON.parse(desk.text)
  const { secret } = schema[0]
  assert.ok(secret.length >= 32)
  const common = { mode: 'server', name: 'My game', host: '192.168.1.20', secret }
  assert.deepEqual(schema, [
    { ...common, proto: 'tcp', port: 25565, private: true },
    { ...common, proto: 'tcp+udp', port: '27015-27016, 27020' }
  ])
  const second = await desk.host()
  assert.notEqual(second.publicKey, first.publicKey)
  assert.deepEqual(
    second.view.servers.map(one => [one.publicKey, one.private, one.names, one.announced]),
    [
      [first.publicKey, true, ['My game'], 'starting'],
      [second.publicKey, false, ['My game'], 'starting']
    ]
  )
  assert.ok(!JSON.stringify(second).includes(secret), 'no secret reaches the page')
  assert.equal(JSON.parse(desk.text).schema[2].private, undefined)
})

test('a game is said to be in the LAN list where the list shows the port', async () => {
  const desk = new Desk()
  const how = { name: '', host: '', private: false }
  const hosted = async (game: string, ports: string) => {
    const { view, publicKey } = await desk.do('hostGame', { ...how, game, ports })
    return view.servers.find(one => one.publicKey === publicKey)!.games[0]!.listed
  }
  const places = [
    ['openarena', '', true],
    ['openarena', '27963', true],
    ['openarena', '28000', false],
    ['minecraft-bedrock', '19140', false],
    ['xonotic', '26001', false],
    // It is announced, with its port.
    ['minecraft-java', '54321', true]
  ] as const
  for (const [game, ports, listed] of places) assert.equal(await hosted(game, ports), listed, game)
  const { view } = await desk.do('join', {
    ticket: encodeTicket({
      publicKey: decodeKey('EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'),
      maps: [{ proto: 'udp', port: 28_500, name: 'openarena' }]
    })
  })
  const [game] = view.clients[0]!.games
  assert.ok(!game!.listed)
  assert.equal(
    game!.help,
    'In the console: /connect 127.0.0.1:28500. The LAN list of the game does not show it here'
  )
})

test('a game is hosted by its name, on its own ports or others', async () => {
  const desk = new Desk()
  const { games } = await desk.do('games', {})
  const teeworlds = games.find(({ id }) => id === 'teeworlds')!
  assert.deepEqual(
    [teeworlds.name, teeworlds.ports, teeworlds.maps, teeworlds.unplayable],
    ['Teeworlds 0.7', '8303', [{ proto: 'udp', port: 8303 }], undefined]
  )
  assert.match(games.find(({ id }) => id === 'quake')!.unplayable ?? '', /^Its server opens a new port/)
  const how = { name: '', ports: '', host: '', private: false }
  await desk.do('hostGame', { ...how, game: 'teeworlds' })
  const moved = { name: ' Friday ', ports: ' 8304 ', host: '192.168.1.20', private: true }
  const { view } = await desk.do('hostGame', { ...moved, game: 'teeworlds' })
  const [first, second] = JSON.parse(desk.text).schema.map(
    ({ secret: _, ...entry }: object & { secret: string }) => entry
  )
  assert.deepEqual(first, { mode: 'server', game: 'teeworlds', playerAddresses: true })
  assert.deepEqual(
    second,
    { mode: 'server', name: 'Friday', game: 'teeworlds', port: 8304, host: '192.168.1.20', private: true },
    'no player addresses for a game elsewhere'
  )
  assert.deepEqual(
    view.servers.map(({ names, games }) => [names, games.map(({ title, listed }) => [title, listed])]),
    [
      [['Teeworlds 0.7'], [['Teeworlds 0.7', true]]],
      [['Friday'], [['Friday', true]]]
    ]
  )
  assert.match(view.servers[1]!.games[0]!.help, /teeworlds-server/)
  assert.match((await desk.faults('hostGame', { ...how, game: 'teewrlds' }))[0] ?? '', /^game: .*teeworlds/)
  assert.match(
    (await desk.faults('hostGame', { ...how, game: 'quake' }))[0] ?? '',
    /^: .*does not work through hyper-nat\. Its server/
  )
  assert.match(
    (await desk.faults('hostGame', { ...how, game: 'teeworlds', ports: '1,2' }))[0] ?? '',
    /^ports: /
  )
})

test('faults name the fields of the page, all at once, and change nothing', async () => {
  const desk = new Desk()
  const rows = [
    { ports: '0', proto: 'tcp' },
    { ports: '1', proto: 'ftp' }
  ]
  const faults = await desk.faults('host', { name: '', rows, host: 'a b', private: false })
  assert.deepEqual(faults.map(fault => fault.slice(0, fault.indexOf(': '))).sort(), [
    'host',
    'rows[0].ports',
    'rows[1].proto'
  ])
  assert.equal(desk.reloads, 0)
})

test('a file that cannot be used is named, with what is wrong in it', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host()
  const attempts = [
    ['pause', { publicKey, paused: true }],
    ['invite', { publicKey, name: 'Anna' }],
    ['host', { name: '', rows: [{ ports: '1', proto: 'tcp' }], host: '', private: false }],
    ['setSettings', { lan: false }]
  ] as const
  for (const [text, fault] of [
    ['{ "schema": [ {', 'line 1, column 16: not JSON: a closing brace } is expected here'],
    ['', 'not JSON: there is nothing in it'],
    ['{ "schema": [], "nme": 1 }', 'nme: is unknown']
  ] as const) {
    writeFileSync(desk.file, text)
    for (const [action, request] of attempts) {
      await assert.rejects(desk.actions.run(action, request), ({ code, message }: HyperNatError) => {
        assert.equal(code, 'BAD_OPTIONS')
        assert.ok(message.startsWith(`${desk.file} cannot be used as it is now: ${fault}`), message)
        assert.match(message, /\. Mend it, then try again\.$/)
        return true
      })
      assert.equal(desk.text, text)
    }
  }
})

test('what another window has removed is not there any more', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host()
  await desk.do('stop', { publicKey })
  const to = { publicKey, name: 'Anna' }
  const peer = encodeKey(FRIEND)
  for (const [action, request] of [
    ['pause', { publicKey, paused: true }],
    ['edit', { publicKey, name: 'Another' }],
    ['stop', { publicKey }],
    ['leave', { publicKey }],
    ['invite', to],
    ['revoke', to],
    ['rename', { ...to, to: 'Ben' }],
    ['block', { publicKey, peer, blocked: true }]
  ] as const)
    assert.deepEqual(
      await desk.faults(action, request),
      [': This is no longer in the file: it was removed in the meantime'],
      action
    )
})

test('requests of another shape are refused', async () => {
  const desk = new Desk()
  for (const [action, request] of [
    ['host', undefined],
    ['host', { name: '', rows: [], host: '', private: false }],
    ['host', { name: '', rows: [{ ports: '1', proto: 'tcp' }], host: '', private: false, secret: 'mine' }],
    ['join', { ticket: 7 }],
    ['invite', { publicKey: 'k', name: 'Anna', maxDevices: 0 }],
    ['invite', { publicKey: 'k', name: 'Anna', days: 1e9 }],
    ['stop', ['k']]
  ] as const) {
    assert.notDeepEqual(await desk.faults(action, request), [], action)
  }
  assert.equal(isAction('toString'), false)
})

test('joining opens the ports of a ticket, or the next free ones; a line around the ticket does no harm', async () => {
  const desk = new Desk()
  const { publicKey } = keyPairOf(new Secret('a friend'))
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 45_123, name: 'My game' }] })
  const held = await desk.do('look', { ticket: `Run hyper-nat join ${ticket.toUpperCase()}\n` })
  assert.deepEqual(held, {
    maps: [{ name: 'My game', proto: 'tcp', port: 45_123 }],
    games: [],
    invited: false,
    joined: false
  })
  assert.equal(desk.reloads, 0)
  const { view, publicKey: key } = await desk.do('join', { ticket: `hyper-nat join ${ticket}` })
  assert.match(view.clients[0]?.addresses[0]?.address ?? '', /^127\.0\.0\.1:\d+$/)
  assert.equal((await desk.do('look', { ticket })).joined, true)
  assert.match((await desk.faults('join', { ticket }))[0] ?? '', /^ticket: .*joined already/)
  // An invite takes the place of the public ticket.
  const invite = new Uint8Array(32).fill(7)
  const invited = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 45_123, name: 'My game' }], invite })
  const upgraded = await desk.do('join', { ticket: invited })
  assert.equal(upgraded.view.clients.length, 1)
  assert.deepEqual(JSON.parse(desk.text).schema.length, 1)
  assert.ok(decodeTicket(JSON.parse(desk.text).schema[0].ticket).invite)
  assert.deepEqual((await desk.do('leave', { publicKey: key })).view.clients, [])
  assert.deepEqual(JSON.parse(desk.text), { schema: [] })
  assert.match((await desk.faults('leave', { publicKey: key }))[0] ?? '', /no longer in the file/)
})

test('an invite that no ticket can hold is not kept', async () => {
  const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
  const port = Array.from({ length: 300 }, (_, i) => 1 + 2 * i).join()
  const desk = new Desk(JSON.stringify({ schema: [{ mode: 'server', port, secret }] }))
  await desk.reload()
  const before = desk.text
  const publicKey = encodeKey(keyPairOf(new Secret(secret)).publicKey)
  await assert.rejects(desk.do('invite', { publicKey, name: 'Anna' }), { code: 'TICKET_TOO_LONG' })
  assert.equal(desk.text, before)
})

test('an invite that cannot have its ports leaves what was joined before as it was', async t => {
  const desk = new Desk()
  const { publicKey } = keyPairOf(new Secret('a friend'))
  const taken = createServer()
  await new Promise<void>(resolve => void taken.listen(0, '127.0.0.1', resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'udp', port, name: 'A game' }] })
  const joined = await desk.do('join', { ticket })
  const invite = new Uint8Array(32).fill(7)
  const whole = encodeTicket({
    publicKey,
    maps: [
      { proto: 'udp', port, name: 'A game', guestPorts: 'same' },
      { proto: 'tcp', port, name: 'A game', guestPorts: 'same' }
    ],
    invite
  })
  assert.deepEqual(await desk.faults('join', { ticket: whole }), ['PORT_IN_USE'])
  assert.equal(desk.reloads, 1)
  // What is open stays where it is, though this process could not open it a second time; only the others move.
  const own = createSocket('udp4')
  t.after(() => own.close())
  await new Promise<void>(resolve => own.bind(port, '127.0.0.1', resolve))
  const more = encodeTicket({
    publicKey,
    maps: [
      { proto: 'udp', port, name: 'A game' },
      { proto: 'tcp', port, name: 'Another' }
    ],
    invite
  })
  const { view } = await desk.do('join', { ticket: more })
  assert.equal(desk.reloads, 2, 'one change')
  const [udp, tcp] = view.clients[0]!.addresses
  assert.equal(udp?.address, joined.view.clients[0]?.addresses[0]?.address)
  assert.match(tcp?.address ?? '', /^127\.0\.0\.1:\d+$/)
  assert.notEqual(tcp?.address, udp?.address)
})

test('what leads to a server that was joined is not shared, not by another port nor by a resumed server', async () => {
  const desk = new Desk()
  const hosted = await desk.host()
  await desk.do('pause', { publicKey: hosted.publicKey, paused: true })
  const maps = [{ proto: 'tcp' as const, port: 25_565, name: 'My world' }]
  const ticket = encodeTicket({ publicKey: FRIEND, maps })
  const joined = await desk.do('join', { ticket })
  const port = joined.view.clients[0]!.addresses[0]!.address.split(':')[1]!
  const why =
    'leads to My world on this computer, which you have joined: your guests would end up there. Leave it first, or choose another port'
  const how = { name: '', host: '', private: false }
  const row = (ports: string, proto = 'tcp') => ({ ports, proto })
  assert.deepEqual(await desk.faults('hostGame', { ...how, game: 'minecraft-java', ports: port }), [
    `ports: ${why}`
  ])
  const rows = [row('45123'), row(`45124,${port}`)]
  assert.deepEqual(await desk.faults('host', { ...how, rows }), [`rows[1].ports: ${why}`])
  await desk.do('host', { ...how, rows: [row(port, 'udp')] })
  await desk.do('host', { ...how, host: '192.168.1.20', rows: [row(port)] })
  // Paused, it shares nothing.
  await desk.do('edit', { publicKey: hosted.publicKey, rows: [{ ports: port }] })
  assert.deepEqual(await desk.faults('pause', { publicKey: hosted.publicKey, paused: false }), [
    `: Port ${port} ${why}`
  ])
  const other = await desk.do('host', { ...how, rows: [row('45123')] })
  assert.deepEqual(await desk.faults('edit', { publicKey: other.publicKey, rows: [{ ports: port }] }), [
    `rows[0].ports: ${why}`
  ])
  await desk.do('leave', { publicKey: joined.publicKey! })
  await desk.do('pause', { publicKey: hosted.publicKey, paused: false })
})

test('a port that is shared from here is left to its program when a server is joined', async () => {
  const desk = new Desk()
  await desk.host()
  const maps = [{ proto: 'tcp' as const, port: 25_565, name: 'My world' }]
  const ticket = encodeTicket({ publicKey: FRIEND, maps })
  const { view } = await desk.do('join', { ticket })
  assert.notEqual(view.clients[0]?.addresses[0]?.address, '127.0.0.1:25565')
  assert.deepEqual(view.servers[0]?.warnings, [])
})

test('a server that shares what was joined as its owner meant it can be changed otherwise', async () => {
  const joined = { mode: 'client', proto: 'tcp', port: 45_123, publicKey: encodeKey(FRIEND) }
  const secret = 'a secret that is long enough to be no weak one 7391'
  const server = { mode: 'server', proto: 'tcp', port: '45123,45125', secret }
  const desk = new Desk(JSON.stringify({ schema: [joined, server] }))
  await desk.reload()
  const [{ publicKey, warnings }] = desk.view.servers as [(typeof desk.view.servers)[0]]
  assert.match(warnings[0]!.text, /^Port 45123 of 127\.0\.0\.1 leads to the server that schema\[0\] joins/)
  await desk.do('edit', { publicKey, name: 'Passed on', rows: [{ ports: '45123-45124' }] })
})

test('faults of tickets have their own codes', async () => {
  const desk = new Desk()
  const ticket = encodeTicket({
    publicKey: keyPairOf(new Secret('a friend')).publicKey,
    maps: [{ proto: 'tcp', port: 1 }]
  })
  assert.deepEqual(await desk.faults('look', { ticket: ticket.slice(0, -5) }), ['TICKET_CUT'])
  const other = ticket.at(-1) === 'y' ? 'b' : 'y'
  assert.deepEqual(await desk.faults('join', { ticket: ticket.slice(0, -1) + other }), ['TICKET_MISTYPED'])
  assert.deepEqual(await desk.faults('look', { ticket: 'hello' }), ['BAD_TICKET'])
})

test('a guest who is renamed has the same ticket; a revoked one has none', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host(true)
  const { ticket } = await desk.do('invite', { publicKey, name: ' Anna ', days: 7, maxDevices: 2 })
  assert.ok(decodeTicket(ticket).invite)
  assert.match(
    (await desk.faults('invite', { publicKey, name: 'Anna', days: 1 }))[0] ?? '',
    /^name: is invited already/
  )
  await desk.do('invite', { publicKey, name: 'Ben' })
  assert.match(
    (await desk.faults('rename', { publicKey, name: 'Anna', to: 'Ben' }))[0] ?? '',
    /^name: is the name of another/
  )
  assert.match(
    (await desk.faults('rename', { publicKey, name: 'Carl', to: 'Dora' }))[0] ?? '',
    /"Carl" is no longer invited/
  )
  assert.match((await desk.faults('rename', { publicKey, name: 'Anna', to: '' }))[0] ?? '', /^name: is empty/)

  const before = desk.text
  await desk.do('rename', { publicKey, name: 'Anna', to: 'Anna ' })
  assert.equal(desk.text, before)
  await desk.do('rename', { publicKey, name: 'Anna', to: 'Annie' })
  const { view } = await desk.do('rename', { publicKey, name: 'Annie', to: 'Ann' })
  const { expires, ...ann } = view.servers[0]!.guests[0]!
  assert.deepEqual(ann, { name: 'Ann', invited: true, maxDevices: 2, sessions: [] })
  assert.equal(expires, NOW + 7 * 86_400_000)
  const { text, reloads } = desk
  assert.equal((await desk.do('ticket', { publicKey, name: 'Ann' })).ticket, ticket, 'asked for again')
  assert.match(
    (await desk.faults('ticket', { publicKey, name: 'Anna' }))[0] ?? '',
    /"Anna" is no longer invited/
  )
  assert.deepEqual([desk.text, desk.reloads], [text, reloads], 'it is only shown')

  const after = await desk.do('revoke', { publicKey, name: 'Ann' })
  assert.deepEqual(
    after.view.servers[0]!.guests.map(({ name }) => name),
    ['Ben']
  )
  assert.notEqual((await desk.do('invite', { publicKey, name: 'Anna' })).ticket, ticket)
})

test('an invite whose time is over makes way for a new one, with an end as well', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host(true)
  const { ticket } = await desk.do('invite', { publicKey, name: 'Anna', days: 7 })
  desk.now = NOW + 7 * 86_400_000
  assert.match((await desk.faults('ticket', { publicKey, name: 'Anna' }))[0] ?? '', /"Anna" has expired/)
  const again = await desk.do('invite', { publicKey, name: 'Anna', days: 1 })
  assert.notEqual(again.ticket, ticket)
  assert.deepEqual(
    again.view.servers[0]!.guests.map(({ name, expires }) => [name, expires]),
    [['Anna', desk.now + 86_400_000]]
  )
})

test('a guest without an invite gets a name, is kept out by the key, and let in again', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host()
  await desk.do('invite', { publicKey, name: 'Ben' })
  const peer = encodeKey(keyPairOf(new Secret('a guest')).publicKey)
  assert.match(
    (await desk.faults('nameGuest', { publicKey, peer, to: 'Ben' }))[0] ?? '',
    /^name: is the name of another guest/
  )
  assert.match(
    (await desk.faults('nameGuest', { publicKey, peer: 'x', to: 'Anna' }))[0] ?? '',
    /^peer: is no/
  )
  const named = await desk.do('nameGuest', { publicKey, peer, to: ' Anna ' })
  const key = shortKey(peer)
  assert.deepEqual(named.view.servers[0]!.guests[1], {
    name: 'Anna',
    key,
    peer,
    invited: true,
    sessions: []
  })
  await desk.do('rename', { publicKey, name: 'Anna', to: 'Annie' })
  const removed = await desk.do('block', { publicKey, peer, blocked: true })
  assert.deepEqual(removed.view.servers[0]!.guests[1], {
    name: 'Annie',
    key,
    peer,
    invited: false,
    blocked: true,
    sessions: []
  })
  const back = await desk.do('block', { publicKey, peer, blocked: false })
  assert.deepEqual(
    back.view.servers[0]!.guests.map(({ name }) => name),
    ['Ben']
  )
  assert.deepEqual(JSON.parse(desk.text).schema[0].block, [])
})

test('warnings stand with what they are about, until that changes or they are dismissed', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host()
  const warn = (message: string, about?: string): void =>
    desk.warnings.note({ event: 'warning', code: 'ANY', message, ...(about && { publicKey: about }) })
  warn('no ticket', publicKey)
  warn('no ticket', publicKey)
  warn('no metrics')
  warn('of one that is gone', 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA')
  assert.deepEqual(
    [desk.view.servers[0]!.warnings.map(({ text }) => text), desk.view.warnings.map(({ text }) => text)],
    [['No ticket.'], ['No metrics.']]
  )
  const { view } = await desk.do('hide', { id: desk.view.warnings[0]!.id! })
  assert.deepEqual(view.warnings, [])
  const map = { mode: 'server', proto: 'tcp', port: 25565, host: '127.0.0.1' } as const
  desk.warnings.note({ event: 'reloaded', added: [{ ...map, publicKey }], removed: [], restart: [] })
  assert.deepEqual(desk.view.servers[0]!.warnings, [])
  for (let i = 0; i < 30; i++) warn(`the ${i}th`)
  assert.equal(desk.view.warnings.length, 20)
})

test('what the options file warns of stands with its entry, or above all', async () => {
  const desk = new Desk('{ "schema": [{ "mode": "server", "port": 1, "secret": "short" }] }')
  await desk.reload()
  const [warning, ...others] = desk.view.servers[0]!.warnings
  assert.match(warning?.text ?? '', /^The secret is short/)
  assert.deepEqual([others, desk.view.warnings, warning?.id], [[], [], undefined])
})

test('settings of the network are read from the file, and only what is different is written', async () => {
  const desk = new Desk()
  const usual = { relays: [], portMapping: true, lan: true, ipv6: true }
  assert.deepEqual(await desk.do('settings', {}), usual)
  await desk.do('setSettings', { relays: ' ', portMapping: true, lan: true, ipv6: true })
  assert.ok(!existsSync(desk.file), 'nothing to write')
  const key = encodeKey(keyPairOf(new Secret('a relay')).publicKey)
  const relays = [key, 'wss://relay.example/hn']
  await desk.do('setSettings', { relays: relays.join('\n'), portMapping: false, lan: true, ipv6: true })
  assert.deepEqual(JSON.parse(desk.text), { schema: [], network: { relay: relays, portMapping: false } })
  assert.deepEqual(await desk.do('settings', {}), { relays, portMapping: false, lan: true, ipv6: true })
  assert.match(
    (await desk.faults('setSettings', { relays: `${key}x`, portMapping: true, lan: true, ipv6: true }))[0] ??
      '',
    /^relays: /
  )
  await desk.do('setSettings', { ...usual, relays: '' })
  assert.deepEqual(JSON.parse(desk.text), { schema: [], network: { portMapping: true } })
  await desk.do('setSettings', { lan: false })
  await desk.do('setSettings', { relays: key })
  assert.deepEqual(await desk.do('settings', {}), { ...usual, relays: [key], lan: false }, 'the rest stays')
})

test('a host is kept among friends, and joined by name', async () => {
  const desk = new Desk()
  const { publicKey } = keyPairOf(new Secret('a friend'))
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 45_123, name: 'My game' }] })
  assert.deepEqual((await desk.do('friends', {})).friends, [])
  assert.match((await desk.faults('join', { ticket, friend: '25565' }))[0] ?? '', /^friend: is a number/)
  const { publicKey: key } = await desk.do('join', { ticket, friend: ' Anna ' })
  await desk.do('leave', { publicKey: key })
  assert.deepEqual((await desk.do('friends', {})).friends, [
    { name: 'Anna', publicKey: key, hasTicket: true }
  ])
  assert.ok(!JSON.stringify(await desk.do('friends', {})).includes('hnat1'), 'no ticket reaches the page')
  const other = encodeTicket({
    publicKey: keyPairOf(new Secret('another')).publicKey,
    maps: [{ proto: 'tcp', port: 45_124 }]
  })
  assert.match(
    (await desk.faults('join', { ticket: other, friend: 'anna' }))[0] ?? '',
    /^friend: is the name of another/
  )
  assert.deepEqual((await desk.do('presence', {})).friends, [{ publicKey: key, state: 'away' }])
  desk.announced.add(key)
  assert.deepEqual((await desk.do('presence', {})).friends, [{ publicKey: key, state: 'announced' }])
  assert.equal((await desk.do('joinFriend', { name: 'Anna' })).view.clients.length, 1)
  assert.match((await desk.faults('joinFriend', { name: 'Bob' }))[0] ?? '', /"Bob" has no ticket/)
  assert.deepEqual((await desk.do('removeFriend', { name: 'Anna' })).friends, [])
})

test('what a game needs beside a port that was moved up has to be a port, too', async t => {
  const desk = new Desk()
  const { publicKey } = keyPairOf(new Secret('a friend'))
  const taken = createServer()
  // If somebody has it already, that does as well.
  await new Promise<unknown>(resolve =>
    taken.once('error', resolve).listen(65_400, '127.0.0.1', () => resolve(0))
  )
  t.after(() => taken.close())
  const near = { name: 'A game', guestPorts: 'together' } as const
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 65_400, ...near }] })
  await desk.do('join', { ticket })
  const invite = new Uint8Array(32).fill(7)
  const maps = [65_400, 65_535].map(port => ({ proto: 'tcp' as const, port, ...near }))
  assert.deepEqual(await desk.faults('join', { ticket: encodeTicket({ publicKey, maps, invite }) }), [
    'PORT_IN_USE'
  ])
})

test('a ticket that opens ports of services is joined when the user is sure, by a friend name too', async () => {
  const desk = new Desk()
  const { publicKey } = keyPairOf(new Secret('a friend'))
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 5432 }] })
  const asked = await desk.do('join', { ticket, friend: 'Anna' })
  assert.match(asked.surprise ?? '', /^opens ports where programs .*: 5432$/)
  assert.deepEqual([asked.view.clients, (await desk.do('friends', {})).friends], [[], []])
  const { publicKey: key, surprise } = await desk.do('join', { ticket, friend: 'Anna', sure: true })
  assert.equal(surprise, undefined)
  await desk.do('leave', { publicKey: key })
  assert.equal((await desk.do('joinFriend', { name: 'Anna' })).surprise, asked.surprise)
  assert.equal((await desk.do('joinFriend', { name: 'Anna', sure: true })).view.clients.length, 1)
})

test('guests see each other where the host wants it', async () => {
  const desk = new Desk()
  const { publicKey, view } = await desk.host()
  assert.equal(view.servers[0]!.roster, false)
  assert.equal((await desk.do('roster', { publicKey, roster: true })).view.servers[0]!.roster, true)
  assert.equal(JSON.parse(desk.text).schema[0].roster, true)
  assert.equal((await desk.do('roster', { publicKey, roster: false })).view.servers[0]!.roster, false)
})

test('private is changed where it is said, and comments stay', async () => {
  const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
  const desk = new Desk(`{
  // Mine.
  "schema": [
    { "mode": "server", "port": 1, "secret": "${secret}" },
    { "mode": "server", "port": 2, "secret": "${secret}", "private": false /* not yet */ },
    { "mode": "server", "port": 3, "secret": "another one, of 2030" }
  ]
}`)
  await desk.reload()
  const { publicKey } = desk.view.servers[0]!
  await desk.do('private', { publicKey, private: true })
  assert.ok(desk.text.includes('"private": true /* not yet */'), desk.text)
  assert.deepEqual(
    desk.view.servers.map(one => one.private),
    [true, false]
  )
  await desk.do('private', { publicKey: desk.view.servers[1]!.publicKey, private: true })
  assert.equal(desk.view.servers[1]!.private, true)
  await desk.do('stop', { publicKey })
  assert.equal(desk.view.servers.length, 1)
  assert.ok(desk.text.includes('// Mine.') && !desk.text.includes(secret), desk.text)
})

test('a change that takes long is shown as far as it is', async () => {
  const time = new VirtualClock()
  const desk = new Desk(undefined, time)
  // What the page shows of it is read by then.
  desk.onReload = () => {
    time.run(RELOAD_MS)
    return new Promise(() => {})
  }
  assert.equal((await desk.host()).view.servers[0]?.announced, 'starting')
})

test('what is paused keeps its secret, and is not shared until it is resumed', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.host(false)
  const { schema: before } = JSON.parse(desk.text)
  const { view } = await desk.do('pause', { publicKey, paused: true })
  assert.deepEqual(
    view.servers.map(one => [one.publicKey, one.paused]),
    [[publicKey, true]]
  )
  assert.deepEqual(parseOptions(desk.text).entries, [])
  assert.equal(parseOptions(desk.text).paused?.length, before.length)
  const resumed = await desk.do('pause', { publicKey, paused: false })
  assert.equal(resumed.view.servers[0]?.paused, false)
  const { schema: after } = JSON.parse(desk.text)
  assert.deepEqual(
    after.map(({ secret }: { secret: string }) => secret),
    before.map(({ secret }: { secret: string }) => secret)
  )
  assert.equal(parseOptions(desk.text).entries.length, before.length)
})

test('name and ports of what is hosted change, its key stays', async () => {
  const desk = new Desk()
  const { publicKey } = await desk.do('hostGame', {
    game: 'teeworlds',
    name: '',
    ports: '',
    host: '',
    private: false
  })
  assert.deepEqual(desk.view.servers[0]!.edit, { name: '', rows: [{ ports: '8303' }] })
  const { view } = await desk.do('edit', { publicKey, name: ' Friday ', rows: [{ ports: ' 8304 ' }] })
  const [server] = view.servers
  assert.deepEqual(
    [server!.publicKey, server!.edit],
    [publicKey, { name: 'Friday', rows: [{ ports: '8304' }] }]
  )
  const { secret: _, ...entry } = JSON.parse(desk.text).schema[0]
  assert.deepEqual(entry, {
    mode: 'server',
    game: 'teeworlds',
    playerAddresses: true,
    name: 'Friday',
    port: 8304
  })
  const before = desk.text
  assert.match(
    (await desk.faults('edit', { publicKey, rows: [{ ports: '8304-1' }] }))[0] ?? '',
    /^rows\[0\]\.ports: has/
  )
  assert.match((await desk.faults('edit', { publicKey, name: ' ' }))[0] ?? '', /^name: is empty/)
  assert.equal(desk.text, before, 'nothing is written that could not be used')
})

test('ports and protocols of several entries change, each on its own', async () => {
  const desk = new Desk()
  const rows = [
    { ports: '1000', proto: 'tcp' },
    { ports: '1001-1002', proto: 'tcp+udp' }
  ]
  const { publicKey, view } = await desk.do('host', { name: 'Both', host: '', private: false, rows })
  assert.deepEqual(view.servers[0]!.edit, { name: 'Both', rows })
  const changed = [{ proto: 'tcpudp' }, { ports: '1001', proto: 'udp' }]
  const edited = await desk.do('edit', { publicKey, name: 'Two', rows: changed })
  assert.deepEqual(edited.view.servers[0]!.edit, {
    name: 'Two',
    rows: [
      { ports: '1000', proto: 'tcpudp' },
      { ports: '1001', proto: 'udp' }
    ]
  })
  const { secret } = JSON.parse(desk.text).schema[0]
  assert.deepEqual(JSON.parse(desk.text).schema, [
    { mode: 'server', name: 'Two', proto: 'tcpudp', port: 1000, secret },
    { mode: 'server', name: 'Two', proto: 'udp', port: 1001, secret }
  ])
  assert.deepEqual(
    (await desk.faults('edit', { publicKey, rows: [{ ports: 'x' }, { proto: 'ftp' }] })).map(
      fault => fault.split(':')[0]
    ),
    ['rows[0].ports', 'rows[1].proto']
  )
  assert.match((await desk.faults('edit', { publicKey, rows: [{}] }))[0] ?? '', /^ports: have changed/)
})

test('two servers of a game without names under one ticket are told one by one', async () => {
  const server = { mode: 'server', secret: 'qm4jzr8tk3ow9yxa5hbdnc6e', game: 'openarena' }
  const desk = new Desk(JSON.stringify({ schema: [server, { ...server, port: 27_970 }] }))
  await desk.reload()
  assert.deepEqual(
    desk.view.servers[0]!.games.map(({ help, listed }) => [/\d{5}/.exec(help)?.[0], listed]),
    [
      ['27960', true],
      ['27970', false]
    ]
  )
})

test('a server that is paused in part shows what is shared and what is not', async () => {
  const server = { mode: 'server', secret: 'qm4jzr8tk3ow9yxa5hbdnc6e' }
  const schema = [
    { ...server, game: 'teeworlds', name: 'Arena', paused: true },
    { ...server, proto: 'tcp', port: 8123, name: 'Map' }
  ]
  const desk = new Desk(JSON.stringify({ schema }))
  await desk.reload()
  const [view] = desk.view.servers
  const host = '127.0.0.1'
  assert.deepEqual([view!.names, view!.maps], [['Map'], [{ proto: 'tcp', port: 8123, host }]])
  assert.deepEqual([view!.paused, view!.pausedMaps], [false, [{ proto: 'udp', port: 8303, host }]])
  assert.deepEqual(view!.games, [])
  const { view: all } = await desk.do('pause', { publicKey: view!.publicKey, paused: true })
  const { paused, pausedMaps, maps } = all.servers[0]!
  assert.deepEqual([paused, pausedMaps, maps.length], [true, [], 2])
})

test('renaming changes what has that name, and nothing else under the ticket', async () => {
  const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
  const server = { mode: 'server', secret }
  const schema = [
    { ...server, game: 'jellyfin', name: 'Films', paused: true },
    { ...server, game: 'minecraft', name: 'Survival' },
    { ...server, game: 'mumble', name: 'Voice' },
    { ...server, proto: 'tcp', port: 8123, name: 'Survival' }
  ]
  const desk = new Desk(JSON.stringify({ schema }))
  await desk.reload()
  const { publicKey, edit } = desk.view.servers[0]!
  assert.equal(edit.name, 'Survival')
  await desk.do('edit', { publicKey, name: 'Survival 2' })
  assert.deepEqual(
    JSON.parse(desk.text).schema.map(({ name }: { name: string }) => name),
    ['Films', 'Survival 2', 'Voice', 'Survival 2']
  )
})
