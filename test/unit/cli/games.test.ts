// The commands around games: host, games, learn, and what join says of a game.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextOutput } from '../../../src/cli/output.js'
import { run } from '../../../src/cli/run.js'
import { knownGames } from '../../../src/games/games.js'
import { lobbyOf } from '../../../src/games/lobby.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { describe } from '../options/describe.js'
import { Memory, runOnce } from './memory.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const SECRET = ['-s', 'a long text that nobody guesses']

test('host shares the ports of a game, whatever it is called', async () => {
  for (const words of [['minecraft'], ['Minecraft:', 'Java', 'Edition']]) {
    const { options, code } = await runOnce(['host', ...words, ...SECRET])
    assert.equal(code, 0)
    assert.deepEqual(describe(options!), [
      `hyper-nat host ${words.join(' ')}: server tcp 25565 at 127.0.0.1 "minecraft-java" playerAddresses`
    ])
  }
  const moved = await runOnce([
    'host',
    'mc',
    '-p',
    '54321',
    '--name',
    'Friday',
    '--host',
    '192.168.7.2',
    ...SECRET
  ])
  assert.deepEqual(describe(moved.options!), [
    'hyper-nat host mc: server tcp 54321 at 192.168.7.2 "minecraft-java: Friday"'
  ])
  assert.equal(moved.options!.entries[0]!.lobby?.title, 'Friday')
  const plain = await runOnce(['host', 'mc', '--no-player-addresses', ...SECRET])
  assert.ok(!('playerAddresses' in plain.options!.entries[0]!))
  const quiet = await runOnce(['host', 'mc', '--optional', '--no-discovery', ...SECRET])
  assert.deepEqual(
    quiet.options!.entries.map(({ proto, lobby }) => [proto, lobby]),
    [
      ['tcp', undefined],
      ['udp', undefined]
    ]
  )
})

test('host shares several games under one secret, each called by as many words as it has', async () => {
  const words = ['quake', '3', 'mumble', 'Minecraft:', 'Java', 'Edition']
  const { options, code } = await runOnce(['host', ...words, '--private', '--allow', KEY, ...SECRET])
  assert.equal(code, 0)
  assert.deepEqual(
    options!.entries.map(({ proto, port, name }) => `${proto} ${port} ${name}`),
    ['udp 27960 quake-3', 'tcp 64738 mumble', 'udp 64738 mumble', 'tcp 25565 minecraft-java']
  )
  assert.equal(
    new Set(options!.entries.map(entry => entry.mode === 'server' && entry.secret.reveal())).size,
    1
  )
  const memory = new Memory()
  const done = run(['host', 'openttd', 'mumble', ...SECRET], memory)
  memory.fake.onStart = async () => {
    memory.fake.tell({ event: 'ready', mode: 'server', publicKey: KEY, ticket: 'hnat1xyz', maps: [] })
    memory.stop()
  }
  assert.equal(await done, 0)
  assert.match(memory.out, /^In OpenTTD: .*port 3979\. .*\nIn Mumble: .*port 64738\./m)
})

test('host moves the ports of a game together, and says which stay', async () => {
  const moved = await runOnce(['host', 'valheim', '-p', '2466', ...SECRET])
  assert.deepEqual(
    moved.options!.entries.map(({ port }) => port),
    [2466, 2467]
  )
  assert.ok(!moved.options!.warnings.some(({ code }) => code === 'PORTS_STAY'))
  const { options } = await runOnce(['host', 'satisfactory', '-p', '7787', ...SECRET])
  assert.deepEqual(
    options!.warnings.filter(({ code }) => code === 'PORTS_STAY').map(({ path }) => path),
    ['-p']
  )
})

test('host makes a secret when there is none, and says what to do in the game', async () => {
  const memory = new Memory()
  const done = run(['host', 'openttd'], memory)
  memory.fake.onStart = async () => {
    memory.fake.tell({
      event: 'ready',
      mode: 'server',
      publicKey: KEY,
      ticket: 'hnat1xyz',
      maps: [{ proto: 'tcp', port: 3979, host: '127.0.0.1' }]
    })
    memory.stop()
  }
  assert.equal(await done, 0)
  assert.match(memory.out, /Secret, generated for this run/)
  assert.match(memory.out, /hyper-nat join hnat1xyz/)
  assert.match(memory.out, /^In OpenTTD: .*port 3979\. /m)
})

test('a word that several games have is said to be one of them, and the others are named', async () => {
  const memory = new Memory()
  const done = run(['host', 'minecraft', '-s', 'x'], memory)
  memory.fake.onStart = async () => {
    const maps = [{ proto: 'tcp' as const, port: 25_565, host: '127.0.0.1' }]
    memory.fake.tell({ event: 'ready', mode: 'server', publicKey: KEY, ticket: 'hnat1xyz', maps })
    memory.stop()
  }
  assert.equal(await done, 0)
  assert.match(
    memory.out,
    /^This is Minecraft: Java Edition\. .*\n {2}Minecraft: Bedrock Edition: hyper-nat host minecraft-bedrock$/m
  )
  for (const word of ['minecraft-java', 'Minecraft: Java Edition', 'openarena', 'no-game'])
    assert.deepEqual(knownGames().alsoCalled(word), [], word)
})

// [arguments, part of what is said]
const REFUSED: [string[], RegExp][] = [
  [['host', 'duty'], /GAME: unknown game "duty"; did you mean "call-of-duty", .* or "call-of-duty-[^"]*"\?/],
  [
    ['service', 'install', '--bootstrap', '127.0.0.1:1'],
    /--bootstrap: is not kept for the service; put "network\.bootstrap"/
  ],
  [['host'], /GAME: is missing; hyper-nat games lists them/],
  [['host', 'openarean'], /GAME: unknown game "openarean"; did you mean "openarena"\?/],
  [
    ['host', 'mumble', 'openarean'],
    /hyper-nat host openarean: |GAME: unknown game "openarean"; did you mean "openarena"\?/
  ],
  [['host', 'mumble', 'quake', '3', '-p', '1'], /-p: is for one game, and these are 2/],
  [['host', 'mumble', 'mumble'], /mumble/],
  [['host', 'mumble', 'aoe2'], /GAME_UNPLAYABLE: Age of Empires II/],
  [['host', 'openarena', '-p', '1,2'], /-p: names 2 ports, but OpenArena has 1: 27960/],
  [['host', 'openarena', '-p', 'x'], /-p: has "x", which is not a port/],
  [
    ['host', 'aoe2'],
    /GAME_UNPLAYABLE: Age of Empires II .* does not work through hyper-nat\. .* add --force/
  ],
  [['host', 'openarena', '--protocol', 'udp'], /--protocol: is unknown here; it belongs to hyper-nat server/],
  [['games', 'xyzzy'], /SEARCH: unknown game "xyzzy"/],
  [['learn'], /--pid: is missing; give the number/],
  [['learn', '--pid', '-1'], /--pid/],
  [['learn', '--pid', 'all'], /--pid: is "all"; give the number/]
]

for (const [argv, message] of REFUSED) {
  test(`refused: ${argv.join(' ')}`, async () => {
    const { code, err, options } = await runOnce(argv)
    assert.equal(code, 2)
    assert.match(err, message)
    assert.equal(options, undefined)
  })
}

test('what cannot be played is shared when that is wanted', async () => {
  const { code, options } = await runOnce(['host', 'aoe2', '--force', ...SECRET])
  assert.equal(code, 0)
  assert.ok(options!.entries.length > 100)
})

test('games lists all, those with some words, or all about one', async () => {
  const all = await runOnce(['games'])
  assert.ok(all.out.split('\n').length > 40)
  assert.match(all.out, /^minecraft-java +tcp 25565 +LAN list +Minecraft: Java Edition$/m)
  const quakes = await runOnce(['games', 'quake', 'iii'])
  assert.match(quakes.out, /^GAME .*\nquake-3 .* Quake III Arena .*\n$/)
  const one = await runOnce(['games', 'mc'])
  assert.match(one.out, /^Minecraft: Java Edition \(minecraft-java, minecraft, mc\)\n {2}tcp 25565: game\n/)
  assert.match(one.out, /^Guest: .*127\.0\.0\.1:25565$/m)
})

test('games for programs: one object a line', async () => {
  const memory = await runOnce(['games', '--json'])
  assert.equal(memory.events.length, knownGames().all.length)
  for (const event of memory.events) assert.equal(event.event, 'game')
  assert.equal((await runOnce(['games', 'mc', '--json'])).events[0]!.id, 'minecraft-java')
})

test('learn tells of a process that is not there', {
  skip: process.platform !== 'linux' && 'only on Linux'
}, async () => {
  const { code, err } = await runOnce(['learn', '--pid', '4194305'])
  assert.equal(code, 1)
  assert.match(err, /NO_SUCH_PROGRAM/)
})

test('learn shows a recipe of this very process', {
  skip: process.platform !== 'linux' && 'only on Linux'
}, async t => {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const memory = await runOnce(['learn', '--pid', `${process.pid}`, '--name', 'My game', '--json'])
  const { recipe } = memory.events[0] as { recipe: { id: string; ports: { proto: string; port: number }[] } }
  assert.equal(recipe.id, 'my-game')
  assert.ok(recipe.ports.some(one => one.proto === 'tcp' && one.port === port))
})

test('join tells what to do in the game, where it is here', () => {
  const memory = new Memory()
  const craft = lobbyOf(knownGames().find('minecraft-java')!, 'tcp')!
  const joined = [
    { proto: 'tcp' as const, port: 54_321, name: 'minecraft-java: Friday', lobby: craft },
    { proto: 'udp' as const, port: 2759, name: 'supertuxkart' },
    { proto: 'udp' as const, port: 2757, name: 'supertuxkart' },
    { proto: 'tcp' as const, port: 80, name: 'A page' }
  ]
  const output = new TextOutput(memory, false, [], { joined, gameOf: name => knownGames().ofMap(name) })
  const maps = joined.map(({ proto, port }) => ({ proto, port, localHost: '127.0.0.1', localPort: port + 1 }))
  output.event({ event: 'ready', mode: 'client', publicKey: KEY, maps })
  const lines = memory.out.split('\n').slice(4)
  assert.match(lines[0]!, /^In Minecraft: Java Edition \("Friday"\): Multiplayer: .*127\.0\.0\.1:54322$/)
  assert.match(lines[1]!, /^In SuperTuxKart: Enter server address: 127\.0\.0\.1:2760\. /)
  assert.equal(lines[2], 'In "A page", enter 127.0.0.1:81 (or localhost:81)')
})

test("a game's ticket is joined with its part in the LAN list", async () => {
  const maps = [{ proto: 'udp' as const, port: 27_960, name: 'openarena' }]
  const ticket = encodeTicket({ publicKey: decodeKey(KEY), maps })
  const { options } = await runOnce(['join', ticket])
  assert.equal(options!.entries[0]!.lobby?.game, 'openarena')
  const quiet = await runOnce(['join', ticket, '--no-discovery'])
  assert.equal(quiet.options!.entries[0]!.lobby, undefined)
})
