// Tickets in client entries, and the flags of `hyper-nat join`, which become such entries.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { OptionsError } from '../../../src/errors.js'
import { decodeKey, encodeKey } from '../../../src/identity/encoding.js'
import { GuestKey } from '../../../src/identity/guest.js'
import { decodeTicket, encodeTicket, type Ticket } from '../../../src/identity/ticket.js'
import { checkOptions } from '../../../src/options/check.js'
import { parseOptions } from '../../../src/options/file.js'
import { reachOptions } from '../../../src/options/flags.js'
import { type JoinFlags, joinEntries, joinOptions } from '../../../src/options/join.js'
import { describe } from './describe.js'

const KEY = decodeKey('EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA')
const OTHER_KEY = decodeKey('DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w')

/** Two ports with names, of which one has two protocols. */
const GAMES: Ticket = {
  publicKey: KEY,
  maps: [
    { proto: 'tcp', port: 25565, name: 'Minecraft' },
    { proto: 'udp', port: 27015, name: 'Half-Life, 2' },
    { proto: 'tcp', port: 27015, name: 'Half-Life, 2' },
    { proto: 'tcp', port: 80 }
  ]
}
const GAMES_TEXT = encodeTicket(GAMES)
const ONE: Ticket = { publicKey: OTHER_KEY, maps: [{ proto: 'udp', port: 5 }] }

function client(more: Record<string, unknown>, ticket: Ticket = GAMES): Record<string, unknown> {
  return { mode: 'client', ticket: encodeTicket(ticket), ...more }
}

function lines(...schema: unknown[]): string[] {
  return describe(checkOptions({ schema }))
}

function faults(work: () => unknown): string[] {
  try {
    work()
  } catch (err) {
    assert.ok(err instanceof OptionsError, String(err))
    return err.faults.map(({ path, message, code }) => `${path}: ${message}${code ? ` [${code}]` : ''}`)
  }
  assert.fail('no fault was found')
}

const AT = 'schema[0]: client'

test('a ticket alone opens all that it names', () => {
  assert.deepEqual(lines(client({})), [
    `${AT} tcp 25565 from 127.0.0.1 25565 of EPkmaN7v.. "Minecraft"`,
    `${AT} udp 27015 from 127.0.0.1 27015 of EPkmaN7v.. "Half-Life, 2"`,
    `${AT} tcp 27015 from 127.0.0.1 27015 of EPkmaN7v.. "Half-Life, 2"`,
    `${AT} tcp 80 from 127.0.0.1 80 of EPkmaN7v..`
  ])
})

test('an entry chooses ports, protocols, local ports and a name', () => {
  assert.deepEqual(lines(client({ port: 27015, name: 'mine', localHost: '::1' })), [
    `${AT} udp 27015 from ::1 27015 of EPkmaN7v.. "mine"`,
    `${AT} tcp 27015 from ::1 27015 of EPkmaN7v.. "mine"`
  ])
  assert.deepEqual(lines(client({ proto: 'udp' })), [
    `${AT} udp 27015 from 127.0.0.1 27015 of EPkmaN7v.. "Half-Life, 2"`
  ])
  assert.deepEqual(lines(client({ port: '80,25565', localPort: '8080,0' })), [
    `${AT} tcp 80 from 127.0.0.1 8080 of EPkmaN7v..`,
    `${AT} tcp 25565 from 127.0.0.1 0 of EPkmaN7v.. "Minecraft"`
  ])
  // The server may share more by now.
  assert.deepEqual(lines(client({ port: 81, proto: 'tcp+udp' })), [
    `${AT} tcp 81 from 127.0.0.1 81 of EPkmaN7v..`,
    `${AT} udp 81 from 127.0.0.1 81 of EPkmaN7v..`
  ])
  assert.equal(lines(client({ localPort: '1-3' })).length, 4)
  assert.deepEqual(
    lines(client({ localPort: 0 })).map(line => / 0 of /.test(line)),
    [true, true, true, true]
  )
})

test('tcp and tcpudp of one port do not get into the way of each other', () => {
  const both: Ticket = {
    publicKey: KEY,
    maps: [
      { proto: 'tcp', port: 7 },
      { proto: 'tcpudp', port: 7 }
    ]
  }
  assert.deepEqual(lines(client({}, both)), [
    `${AT} tcp 7 from 127.0.0.1 7 of EPkmaN7v..`,
    `${AT} tcpudp 7 from 127.0.0.1 0 of EPkmaN7v..`
  ])
})

test('faults of a ticket in a file are reported with place and code, never with its text', () => {
  const typo = `${GAMES_TEXT.slice(0, 30)}${GAMES_TEXT[30] === 'y' ? 'b' : 'y'}${GAMES_TEXT.slice(31)}`
  const found = faults(() =>
    checkOptions({
      schema: [
        { mode: 'client', ticket: typo },
        { mode: 'client', ticket: GAMES_TEXT.slice(0, -9) },
        { mode: 'client', ticket: 'hello' },
        { mode: 'client', ticket: 5 },
        client({ publicKey: encodeKey(KEY) }),
        client({ port: '80-82' }),
        client({ localPort: '1,2' }),
        client({ proto: 'tcpudp' }),
        { mode: 'client', port: 1 }
      ]
    })
  )
  assert.deepEqual(found, [
    'schema[0].ticket: has a wrong character, probably the one at position 31; copy it again [TICKET_MISTYPED]',
    'schema[1].ticket: is cut off: 9 characters are missing, probably at its end; copy all of it [TICKET_CUT]',
    'schema[2].ticket: does not begin with hnat1; copy all of it [BAD_TICKET]',
    'schema[3].ticket: is number, not text in quotes; a ticket is the text that begins with hnat1',
    'schema[4].ticket: cannot be combined with publicKey, which it contains; take one out',
    'schema[5].port: names 81-82, which the ticket does not have; it has 25565,27015,80; say in "proto" how to open others',
    'schema[6].localPort: names 2 ports (1-2), but the ticket names 3 ports (25565,27015,80); give as many, or 0 for any free ones',
    'schema[7].port: is missing: the ticket has no port of the protocol in "proto"',
    'schema[8].publicKey: is missing; give the public key that the server shows when it starts, or in a file its "ticket", or in "server" the name of a friend'
  ])
})

const relayText = (relay: Uint8Array | string) => (typeof relay === 'string' ? relay : encodeKey(relay))

const NODE = '203.0.113.7:49737'
const OWN: Ticket = { ...GAMES, bootstrap: [NODE, 'dht.example.org:1'], relays: [OTHER_KEY] }

test('relays and DHT nodes of tickets are used', () => {
  const { network, warnings } = checkOptions({ schema: [client({}, OWN)] })
  assert.deepEqual(network.bootstrap, [NODE, 'dht.example.org:1'])
  assert.deepEqual(network.relay?.map(relayText), [encodeKey(OTHER_KEY)])
  assert.deepEqual(warnings, [])
})

test('relays of the file come before those of tickets, none twice', () => {
  const ticket = { ...OWN, relays: [OTHER_KEY, KEY] }
  const options = checkOptions({ schema: [client({}, ticket)], network: { relay: [encodeKey(KEY)] } })
  assert.deepEqual(options.network.relay?.map(relayText), [encodeKey(KEY), encodeKey(OTHER_KEY)])
})

test('tickets of one DHT go together', () => {
  const second = { ...ONE, bootstrap: ['dht.example.org:1', '198.51.100.1:2'] }
  const { network } = checkOptions({ schema: [client({}, OWN), client({}, second)] })
  assert.deepEqual(network.bootstrap, [NODE, 'dht.example.org:1', '198.51.100.1:2'])
})

test('one process is in one DHT: what differs is a fault, unless the options name it', () => {
  const publicEntry = { mode: 'client', port: 9, publicKey: encodeKey(KEY) }
  const elsewhere = client({}, { ...ONE, bootstrap: ['198.51.100.1:2'] })
  for (const [schema, pattern] of [
    [
      [client({}, OWN), elsewhere],
      /^schema\[1\]\.ticket: its server is in the DHT of 198.51.100.1:2, the server of schema\[0\]\.ticket is in the DHT of 203/
    ],
    [[client({}, OWN), client({}, ONE)], /^schema\[1\]\.ticket: its server is in the public DHT, /],
    [[client({}, ONE), client({}, OWN)], /^schema\[1\]\.ticket: its server is in the DHT of 203/],
    [
      [publicEntry, client({}, OWN)],
      /^schema\[1\]\.ticket: .*, the other entries are in the public DHT, and one process/
    ]
  ] as const) {
    const found = faults(() => checkOptions({ schema }))
    assert.equal(found.length, 1, found.join('\n'))
    assert.match(found[0]!, pattern)
    const named = checkOptions({ schema, network: { bootstrap: [NODE] } })
    assert.deepEqual(named.network.bootstrap, [NODE])
  }
})

test('a ticket for another DHT than the options name is warned of', () => {
  const network = { bootstrap: ['127.0.0.1:1'] }
  for (const ticket of [OWN, ONE]) {
    const { warnings } = checkOptions({ schema: [client({}, ticket)], network })
    assert.deepEqual(
      warnings.map(({ code, path }) => `${code} ${path}`),
      ['OTHER_DHT schema[0].ticket']
    )
  }
  const same = checkOptions({ schema: [client({}, OWN)], network: { bootstrap: [NODE, '127.0.0.1:1'] } })
  assert.deepEqual(same.warnings, [])
})

// --- join ---

function joined(flags: Omit<JoinFlags, 'ticket'>, ticket = GAMES_TEXT): string[] {
  return joinOptions({ ticket, ...flags }).entries.map(entry => {
    assert.ok(entry.mode === 'client' && entry.nextFree)
    return `${entry.proto} ${entry.port} ${entry.localHost}:${entry.localPort}`
  })
}

test('join opens everything on the same ports', () => {
  const all = [
    'tcp 25565 127.0.0.1:25565',
    'udp 27015 127.0.0.1:27015',
    'tcp 27015 127.0.0.1:27015',
    'tcp 80 127.0.0.1:80'
  ]
  assert.deepEqual(joined({}), all)
  assert.deepEqual(joined({}, ` ${GAMES_TEXT.toUpperCase().replace(/.{30}/g, '$&\r\n')}`), all)
})

test('join chooses by name and by port', () => {
  const half = ['udp 27015 127.0.0.1:27015', 'tcp 27015 127.0.0.1:27015']
  assert.deepEqual(joined({ only: ['minecraft'] }), ['tcp 25565 127.0.0.1:25565'])
  assert.deepEqual(joined({ only: ['half-life, 2'] }), half)
  assert.deepEqual(joined({ only: ['27000-27100'] }), half)
  assert.equal(joined({ only: ['80,Minecraft'] }).length, 2)
  assert.equal(joined({ only: ['80', 'Minecraft'] }).length, 2)
})

test('join moves local ports', () => {
  assert.deepEqual(joined({ only: ['80', '27015'], localPorts: '8081,8080' }).sort(), [
    'tcp 27015 127.0.0.1:8081',
    'tcp 80 127.0.0.1:8080',
    'udp 27015 127.0.0.1:8081'
  ])
  assert.deepEqual(joined({ only: ['80'], offset: '8000', localHost: '::1' }), ['tcp 80 ::1:8080'])
  assert.deepEqual(joined({ only: ['25565'], offset: '-565' }), ['tcp 25565 127.0.0.1:25000'])
  assert.deepEqual(joined({ only: ['Minecraft'], localPorts: '0' }), ['tcp 25565 127.0.0.1:0'])
})

// [what, flags, the faults]
const WRONG_FLAGS: [string, Omit<JoinFlags, 'ticket'>, RegExp[]][] = [
  [
    'an unknown name',
    { only: ['Doom'] },
    [/^--only: names "Doom"; the ticket has "Minecraft", "Half-Life, 2" and port 25565,27015,80$/]
  ],
  ['an unknown port', { only: ['81'] }, [/^--only: names "81"; the ticket has/]],
  ['nothing', { only: [' , '] }, [/^--only: names nothing/]],
  ['an offset that is none', { offset: 'x' }, [/^--offset: is "x"; give a whole number/]],
  ['an offset too far', { offset: '50000' }, [/^--offset: leads port 25565,27015 out of 1 to 65535/]],
  ['both', { offset: '1', localPorts: '1' }, [/^--offset: cannot be combined with -l/]],
  [
    'too few local ports',
    { localPorts: '1,2' },
    [/^-l: names 2 local ports \(1-2\) for 3 of the ticket \(25565,27015,80\)/]
  ],
  ['local ports that are none', { localPorts: 'a' }, [/^-l: has "a"/]],
  ['two on one', { localPorts: '1,1,2' }, [/^-l: takes local port 1/]],
  ['several', { only: ['Doom'], offset: 'x' }, [/^--only/, /^--offset/]]
]

for (const [what, flags, patterns] of WRONG_FLAGS) {
  test(`join: ${what}`, () => {
    const found = faults(() => joined(flags))
    assert.equal(found.length, patterns.length, found.join('\n'))
    for (const [i, pattern] of patterns.entries()) assert.match(found[i]!, pattern)
  })
}

test('join passes the codes of tickets on', () => {
  assert.throws(() => joined({}, GAMES_TEXT.slice(0, -1)), { code: 'TICKET_CUT' })
  assert.throws(() => joined({}, ''), { code: 'BAD_TICKET' })
  const invited = encodeTicket({ ...ONE, invite: new Uint8Array(31) })
  assert.match(
    faults(() => joined({}, invited))[0]!,
    /^TICKET: holds an invite of a kind .* \[UNSUPPORTED\]$/
  )
  assert.match(
    faults(() => lines({ mode: 'client', ticket: invited }))[0]!,
    /^schema\[0\]\.ticket: holds an invite/
  )
})

test("a ticket's invite is the key to come with, and shows nowhere", () => {
  const seed = Buffer.alloc(32, 7)
  const ticket = encodeTicket({ ...ONE, invite: seed })
  for (const { entries } of [
    joinOptions({ ticket }),
    checkOptions({ schema: [{ mode: 'client', ticket }] })
  ]) {
    const guests = entries.flatMap(entry => (entry.mode === 'client' && entry.guest ? [entry.guest] : []))
    assert.equal(guests.length, entries.length)
    assert.deepEqual(guests[0]!.keyPair, new GuestKey(seed).keyPair)
    const shown = JSON.stringify(entries) + inspect(entries, { depth: 9, showHidden: true })
    assert.doesNotMatch(shown, /(07,?){8}|(07 ){8}|(7,\s*){8}/)
    assert.match(shown, /\[secret\]/)
  }
})

test('what is saved opens the same again', () => {
  for (const flags of [
    {},
    { only: ['27015'] },
    { duplicate: true },
    { offset: '1000', duplicate: true },
    { only: ['80', '25565'], localPorts: '8080,8081', localHost: '::1' }
  ]) {
    const { entries } = joinOptions({ ticket: GAMES_TEXT, ...flags })
    const maps = entries.flatMap(entry => (entry.mode === 'client' ? [entry] : []))
    const saved = joinEntries(GAMES_TEXT, decodeTicket(GAMES_TEXT), maps, flags)
    if (Object.keys(flags).length === 0) assert.deepEqual(saved, [{ mode: 'client', ticket: GAMES_TEXT }])
    const key = (one: (typeof maps)[number]): string =>
      `${one.proto} ${one.port} ${one.localHost} ${one.localPort} ${one.name} ${one.duplicate}`
    const again = parseOptions(JSON.stringify({ schema: saved })).entries as typeof maps
    assert.deepEqual(again.map(key).sort(), maps.map(key).sort())
  }
})

test('doctor and ping reach for the server of a ticket, in its network', () => {
  const bootstrap = ['203.0.113.7:49737']
  const ticket = encodeTicket({ ...GAMES, relays: [OTHER_KEY], bootstrap })
  for (const flags of [{ ticket }, { publicKey: ticket }]) {
    const { network, publicKey, warnings } = reachOptions(flags, true)
    assert.deepEqual(encodeKey(publicKey!), encodeKey(KEY))
    assert.deepEqual(network.relay?.map(relayText), [encodeKey(OTHER_KEY)])
    assert.deepEqual([network.bootstrap, warnings], [bootstrap, []])
  }
  const other = { text: '203.0.113.8:1', place: '--bootstrap' }
  const { network, warnings } = reachOptions({ ticket, bootstrap: other }, true)
  assert.deepEqual(network.bootstrap, ['203.0.113.8:1'])
  assert.deepEqual(
    warnings.map(({ code, path }) => [code, path]),
    [['OTHER_DHT', 'TICKET']]
  )
  const both = { ticket, publicKey: encodeKey(KEY) }
  assert.match(faults(() => reachOptions(both, true)).join(), /^-k: cannot be combined with a ticket/)
  assert.throws(() => reachOptions({ ticket: ticket.slice(0, -4) }, true), { code: /^TICKET_/ })
})

test('what doctor and ping reach for with an invite, they reach for as that guest', () => {
  const invite = Buffer.alloc(32, 7)
  const { guest, publicKey } = reachOptions({ ticket: encodeTicket({ ...GAMES, invite }) }, true)
  assert.deepEqual(guest!.publicKey, new GuestKey(invite).publicKey)
  assert.deepEqual(encodeKey(publicKey!), encodeKey(KEY))
  assert.equal(reachOptions({ ticket: GAMES_TEXT }, true).guest, undefined)
  const newer = encodeTicket({ ...GAMES, invite: Buffer.alloc(24, 7) })
  assert.match(
    faults(() => reachOptions({ ticket: newer }, true)).join(),
    /^TICKET: holds an invite of a kind/
  )
})
