// `"game"` in entries: what it stands for, and its faults.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionsError } from '../../../src/errors.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { checkOptions } from '../../../src/options/check.js'
import type { Options } from '../../../src/options/entry.js'
import { describe } from './describe.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const server = { mode: 'server', secret: 'a long text that nobody guesses' }
const client = { mode: 'client', publicKey: KEY }

const check = (...schema: object[]): Options => checkOptions({ schema })

/** Which entries have a part in a LAN list, and as what. */
function lobbies({ entries }: Options): string[] {
  return entries.map(({ proto, port, lobby }) => `${proto} ${port} ${lobby?.title ?? '-'}`)
}

function faults(...schema: object[]): string[] {
  try {
    check(...schema)
  } catch (err) {
    assert.ok(err instanceof OptionsError)
    return err.faults.map(({ path, message }) => `${path}: ${message}`)
  }
  return assert.fail('no fault')
}

test('a server shares the ports of its game, under a name that tells it', () => {
  const options = check({ ...server, game: '7 Days to Die', name: 'Friday' })
  assert.deepEqual(describe(options), [
    'schema[0]: server tcp 26900 at 127.0.0.1 "7-days-to-die: Friday"',
    'schema[0]: server udp 26900 at 127.0.0.1 "7-days-to-die: Friday"',
    'schema[0]: server udp 26901 at 127.0.0.1 "7-days-to-die: Friday"',
    'schema[0]: server udp 26902 at 127.0.0.1 "7-days-to-die: Friday"',
    'schema[0]: server udp 26903 at 127.0.0.1 "7-days-to-die: Friday"'
  ])
  assert.deepEqual(lobbies(options), [
    'tcp 26900 -',
    'udp 26900 Friday',
    'udp 26901 Friday',
    'udp 26902 Friday',
    'udp 26903 Friday'
  ])
})

test('other ports, optional ports, and no part in the LAN list', () => {
  assert.deepEqual(lobbies(check({ ...server, game: 'minecraft', port: 54_321 })), [
    'tcp 54321 Minecraft: Java Edition'
  ])
  assert.deepEqual(lobbies(check({ ...server, game: 'minecraft', optionalPorts: true, discovery: false })), [
    'tcp 25565 -',
    'udp 25565 -'
  ])
  assert.deepEqual(lobbies(check({ ...server, port: 25_565 })), ['udp 25565 -'])
})

test('a client opens the ports of a game at a public key', () => {
  const options = check({ ...client, game: 'openarena', localPort: 27_961 })
  assert.deepEqual(describe(options), ['schema[0]: client udp 27960 from 127.0.0.1 27961 of EPkmaN7v..'])
  assert.deepEqual(lobbies(options), ['udp 27960 OpenArena'])
})

test('a ticket tells the game by the name of its ports', () => {
  const ticket = encodeTicket({
    publicKey: decodeKey(KEY),
    maps: [
      { proto: 'udp', port: 27_960, name: 'openarena: Friday' },
      { proto: 'tcp', port: 80, name: 'A page' }
    ]
  })
  assert.deepEqual(lobbies(check({ mode: 'client', ticket })), ['udp 27960 Friday', 'tcp 80 -'])
  assert.deepEqual(lobbies(check({ mode: 'client', ticket, discovery: false })), ['udp 27960 -', 'tcp 80 -'])
  assert.deepEqual(lobbies(check({ mode: 'client', ticket, port: 80, game: 'minecraft' })), ['tcp 80 A page'])
})

// [what, entry, faults]
const WRONG: [string, object, string[]][] = [
  [
    'a game that is none',
    { ...server, game: 'openarean' },
    [
      'schema[0].game: unknown game "openarean"; did you mean "openarena"? hyper-nat games lists all games, and hyper-nat server -p PORT shares any other by its port'
    ]
  ],
  [
    'a game that is no text',
    { ...server, game: 7 },
    ['schema[0].game: is 7, not text in quotes; it is a game that hyper-nat games lists']
  ],
  [
    'a protocol beside it',
    { ...client, game: 'openarena', proto: 'udp' },
    ['schema[0].proto: cannot be combined with game, which has its own; take it out']
  ],
  [
    'too many ports',
    { ...server, game: 'openarena', port: '1,2' },
    ['schema[0].port: names 2 ports, but OpenArena has 1: 27960']
  ],
  [
    'ports that it cannot have: nothing that follows from them',
    { ...server, game: 'openarena', port: '1,2', playerAddresses: true },
    ['schema[0].port: names 2 ports, but OpenArena has 1: 27960']
  ],
  [
    'the same at a guest',
    { ...client, game: 'openarena', port: '1,2', localPort: 3, duplicate: true, failover: true },
    ['schema[0].port: names 2 ports, but OpenArena has 1: 27960']
  ],
  [
    'too many local ports',
    { ...client, game: 'openarena', localPort: '1,2' },
    [
      'schema[0].localPort: names 2 ports (1-2), but the game has 1 port (27960); give as many, or 0 for any free ones'
    ]
  ],
  [
    'keys of games without one',
    { ...server, port: 1, discovery: true, optionalPorts: true },
    ['schema[0].discovery: goes with "game" only', 'schema[0].optionalPorts: goes with "game" only']
  ],
  [
    'discovery that is neither',
    { ...server, game: 'openarena', discovery: 'yes' },
    ['schema[0].discovery: is "yes"; give true or false']
  ]
]

for (const [what, entry, expected] of WRONG) {
  test(`wrong: ${what}`, () => assert.deepEqual(faults(entry), expected))
}

test('a port is still needed where there is no game', () => {
  assert.match(faults(server).join(), /^schema\[0\]\.port: is missing; /)
  assert.match(faults(client).join(), /^schema\[0\]\.port: is missing; /)
})

test('two games may not share one port under one secret', () => {
  assert.match(
    faults({ ...server, game: 'openarena' }, { ...server, game: 'quake-3' }).join(),
    /^schema\[1\]\.port: shares udp port 27960, which schema\[0\] already shares/
  )
})
