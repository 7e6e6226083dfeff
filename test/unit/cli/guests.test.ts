// The commands around guests: invite, revoke, block, guests. What they do to a running server is in test/integration.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TextOutput } from '../../../src/cli/output.js'
import { run } from '../../../src/cli/run.js'
import { encodeKey } from '../../../src/identity/encoding.js'
import { GuestKey } from '../../../src/identity/guest.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { decodeTicket, encodeTicket } from '../../../src/identity/ticket.js'
import { parseOptions } from '../../../src/options/file.js'
import { Memory, runOnce, settings } from './memory.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-guests-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'qm4jzr8tk3ow9yxa5hbdnc6e'
const OTHER = '7gk2mx4jzr8tk3ow9yxa5hbd'
const KEY = encodeKey(keyPairOf(new Secret(OTHER)).publicKey)
const TEXT = `// mine
{
  "schema": [
    // the game
    {
      "mode": "server", // shares
      "proto": "tcp",   "port": 25565,
      "name": "My game",
      "private": true, /* friends only */
      "secret": "${SECRET}" // long
    },
    {"mode": "server", "port": 19132, "secret": "${SECRET}"}
  ],
  "resume": 5 // last
}
`

let files = 0
function write(text: string): string {
  const path = join(folder, `${files++}.json`)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function json(...args: string[]) {
  const { code, out } = await runOnce([...args, '--json'])
  return { ...JSON.parse(out), exit: code }
}

test('invite adds to the file and leaves the rest of it; revoke takes away what invite added', async () => {
  const path = write(TEXT)
  const { exit, ticket, event } = await json('invite', 'Anna', '-c', path)
  assert.deepEqual([exit, event], [0, 'invite'])
  const added = readFileSync(path, 'utf8')
  const [entry] = parseOptions(added).entries
  assert.ok(entry?.mode === 'server')
  const { nonce } = entry.access!.invites[0]!
  const { publicKey, maps, invite } = decodeTicket(ticket)
  const server = keyPairOf(new Secret(SECRET))
  assert.deepEqual(Buffer.from(publicKey), server.publicKey)
  assert.deepEqual(Buffer.from(invite!), Buffer.from(GuestKey.of(server, 'Anna', nonce).invite))
  assert.deepEqual(
    maps.map(({ proto, port }) => `${proto} ${port}`),
    ['tcp 25565', 'udp 19132']
  )
  for (const line of TEXT.split('\n').filter(line => !line.includes('"secret"'))) {
    assert.ok(added.includes(line), line)
  }
  assert.match(added, /"secret": "[a-z0-9]+", \/\/ long\n/)
  const secretParts = [GuestKey.of(server, 'Anna', nonce).invite, server.secretKey].map(bytes =>
    Buffer.from(bytes).toString('hex').slice(0, 32)
  )
  assert.ok(!secretParts.some(part => added.includes(part)), 'no secret of the guest in the file')
  // A second one, and both go again.
  await json('invite', 'Ben', '-c', path, '--maps', 'my game', '--expires', '7d', '--max-devices', '2')
  assert.equal((await json('revoke', 'Anna', '-c', path)).event, 'revoked')
  const [left] = parseOptions(readFileSync(path, 'utf8')).entries
  assert.ok(left?.mode === 'server')
  assert.deepEqual(
    left.access!.invites.map(({ name, maxDevices }) => [name, maxDevices]),
    [['Ben', 2]]
  )
  await json('revoke', 'Ben', '-c', path)
  assert.match(readFileSync(path, 'utf8'), /"invites": \[\s*\]/)
  assert.match(readFileSync(path, 'utf8'), /\/\/ the game\n.*\n.*"mode": "server", \/\/ shares\n/)
})

test('a command line with a fault changes nothing', async () => {
  const path = write(TEXT)
  await json('invite', 'Anna', '-c', path)
  const before = readFileSync(path, 'utf8')
  for (const words of ['invite Ben', 'revoke Anna', `block ${KEY}`]) {
    const { code, err } = await runOnce([...words.split(' '), '-c', path, '--sever', '25565'])
    assert.equal(code, 2)
    assert.match(err, /^hyper-nat \w+: 1 error; nothing was started\n {2}--sever: is unknown/)
    assert.equal(readFileSync(path, 'utf8'), before, words)
  }
  // Other tests may have made the folder.
  const own = join(settings, 'hyper-nat')
  const kept = (): string[] =>
    ['friends.json', 'identity']
      .map(name => join(own, name))
      .map(file => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  const keptBefore = kept()
  for (const argv of [['friends', 'add', 'guest', KEY], ['id']]) {
    assert.equal((await runOnce([...argv, '--frobnicate'])).code, 2)
    assert.deepEqual(kept(), keptBefore, argv.join(' '))
  }
})

test('an invite that no ticket can hold is not kept', async () => {
  const ports = Array.from({ length: 300 }, (_, i) => 1 + 2 * i).join()
  const text = JSON.stringify({ schema: [{ mode: 'server', port: ports, secret: SECRET }] })
  const path = write(text)
  const refused = await json('invite', 'Anna', '-c', path)
  assert.deepEqual([refused.exit, refused.code], [2, 'TICKET_TOO_LONG'])
  assert.equal(readFileSync(path, 'utf8'), text)
  const fits = await json('invite', 'Anna', '-c', path, '--maps', '1,3')
  assert.equal(fits.exit, 0)
})

test('a question is not asked where the command line has a fault', async () => {
  const ticket = encodeTicket({
    publicKey: keyPairOf(new Secret(SECRET)).publicKey,
    maps: [{ proto: 'tcp', port: 25565 }]
  })
  const ask = async (question: string): Promise<string> => assert.fail(question)
  const memory = Object.assign(new Memory(), { ask })
  assert.equal(await run(['join', ticket, '--frobnicate'], memory), 2)
})

test('an invite is given again, and another one for the same name only after revoke', async () => {
  const path = write(TEXT)
  const first = await json('invite', 'Anna', '-c', path)
  const text = readFileSync(path, 'utf8')
  assert.equal((await json('invite', 'Anna', '-c', path)).ticket, first.ticket)
  assert.equal(readFileSync(path, 'utf8'), text)
  const refused = await json('invite', 'Anna', '-c', path, '--expires', '1h')
  assert.deepEqual([refused.exit, refused.path], [2, 'NAME'])
  await json('revoke', 'Anna', '-c', path)
  assert.notEqual((await json('invite', 'Anna', '-c', path)).ticket, first.ticket)
})

const TWO = JSON.stringify({
  schema: [
    { mode: 'server', port: 1, secret: SECRET, name: 'one' },
    {
      mode: 'server',
      port: 2,
      secret: OTHER,
      allow: [{ name: 'Carl', publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA' }]
    }
  ]
})

// [what, arguments, the file, the fault]
const REFUSED: [string, string[], string, RegExp][] = [
  ['no name', ['invite'], TEXT, /NAME: is empty/],
  ['a time that is none', ['invite', 'A', '--expires', 'soon'], TEXT, /--expires: is "soon"; give minutes/],
  ['no device', ['invite', 'A', '--max-devices', '0'], TEXT, /--max-devices: is "0"/],
  [
    'maps that are not shared',
    ['invite', 'A', '--maps', '5'],
    TEXT,
    /--maps: names port 5, .*it shares tcp 25565, udp 19132, "My game"/
  ],
  ['no ports', ['invite', 'A', '--maps', ','], TEXT, /--maps: is empty; name ports/],
  ['one of two servers', ['invite', 'A'], TWO, /--server: is needed, .*\(port 1\), .*\(port 2\)/],
  ['a server that is none', ['invite', 'A', '--server', 'x'], TWO, /--server: is "x", which is none/],
  [
    'no server',
    ['invite', 'A'],
    '{ "schema": [{ "mode": "client", "port": 1, "publicKey": "EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA" }] }',
    /the options file shares nothing: add a server to it first/
  ],
  ['a name that is taken', ['invite', 'Carl', '--server', '2'], TWO, /NAME: is the name of a key in "allow"/],
  [
    'nobody',
    ['revoke', 'Carlo', '--server', '2'],
    TWO,
    /NAME: no invited guest is called "Carlo"; did you mean "Carl"/
  ],
  ['a file with faults', ['invite', 'A'], '{ "schema": [{}] }', /schema\[0\]\.mode: is missing/]
]

for (const [what, args, text, expected] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const path = write(text)
    const { code, err } = await runOnce([...args, '-c', path])
    assert.equal(code, 2)
    assert.match(err, expected)
    assert.equal(readFileSync(path, 'utf8'), text)
  })
}

test('of two servers, one is named by its port, its name or its key', async () => {
  for (const which of ['2', 'ONE', 'none']) {
    const path = write(TWO)
    const key = (await json('guests', '-c', path)).servers[1].publicKey
    await json('invite', 'Anna', '-c', path, '--server', which === 'none' ? key.slice(0, 8) : which)
    const { servers } = await json('guests', '-c', path)
    const names = servers.map(({ guests }: { guests: { name: string }[] }) => guests.map(({ name }) => name))
    assert.deepEqual(names, which === 'ONE' ? [['Anna'], ['Carl']] : [[], ['Anna', 'Carl']])
  }
  const path = write(TWO)
  await json('revoke', 'Carl', '-c', path)
  assert.deepEqual((await json('guests', '-c', path)).servers[1].guests, [])
})

test('what people read', async () => {
  const path = write(TEXT)
  await runOnce(['invite', 'Anna', '-c', path, '--maps', '25565', '--max-devices', '1'])
  const again = await runOnce(['invite', 'Anna', '-c', path, '--qr'])
  assert.match(
    again.out,
    /^The invite for "Anna", for tcp 25565, on 1 device at a time\. Send this line to nobody else:\n {2}hyper-nat join hnat1\w+\n/
  )
  assert.match(again.out, /\u2588/)
  const list = await runOnce(['guests', '-c', path])
  assert.match(list.out, /\(private\)\n {2}"Anna"; tcp 25565; 1 device at a time; not seen yet\n$/)
  const { ticket } = JSON.parse((await runOnce(['invite', 'Anna', '-c', path, '--json'])).out)
  assert.match(
    (await runOnce(['ticket', ticket])).out,
    /an invite: this ticket is for one guest, and a secret/
  )
  assert.match((await runOnce(['revoke', 'Anna', '-c', path])).out, /^"Anna" is not invited any more\.\n$/)
})

const CARL = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const NOBODY = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'

/** Names or keys of those who are kept out, by the file. */
function blockedIn(path: string): string[] {
  return parseOptions(readFileSync(path, 'utf8')).entries.flatMap(entry =>
    entry.mode === 'server'
      ? (entry.access?.block ?? []).map(({ name, publicKey }) => name ?? encodeKey(publicKey))
      : []
  )
}

test('a guest is blocked by name, key or its start, and let in again', async () => {
  const path = write(TWO)
  const first = await json('block', 'Carl', '-c', path)
  assert.deepEqual(
    [first.exit, first.action, first.key, first.name, first.isNew],
    [0, 'blocked', CARL, 'Carl', true]
  )
  assert.deepEqual(blockedIn(path), ['Carl'])
  const listed = (await json('guests', '-c', path)).servers[1].guests
  assert.deepEqual(listed, [{ name: 'Carl', kind: 'block', key: CARL }])
  const text = readFileSync(path, 'utf8')
  assert.equal((await json('block', CARL.slice(0, 8), '-c', path)).isNew, false)
  assert.equal(readFileSync(path, 'utf8'), text)
  const second = await json('block', NOBODY, '-c', path, '--server', 'two')
  assert.equal(second.exit, 2, 'there is no entry of that name')
  assert.equal((await json('block', NOBODY, '-c', path, '--server', '2')).name, undefined)
  assert.deepEqual(blockedIn(path), ['Carl', NOBODY])
  assert.equal((await json('unblock', 'EPkmaN7v..', '-c', path)).action, 'unblocked')
  assert.equal((await json('unblock', NOBODY, '-c', path)).key, NOBODY)
  assert.deepEqual(blockedIn(path), [])
})

test('what people read of it', async () => {
  const path = write(TWO)
  assert.match(
    (await runOnce(['block', 'Carl', '-c', path])).out,
    /^"Carl" is blocked\.\nAnyone with the public ticket can come back/
  )
  assert.match((await runOnce(['guests', '-c', path])).out, new RegExp(`  "Carl"; ${CARL}; blocked\n$`))
  assert.equal((await runOnce(['unblock', 'Carl', '-c', path])).out, '"Carl" is not blocked any more.\n')
  assert.match((await runOnce(['invites', '-c', path])).out, / {2}no guests\n$/, 'the list by its other name')
})

// [what, arguments, the fault]
const NOT_BLOCKED: [string, string[], RegExp][] = [
  ['nobody', ['block'], /GUEST: is missing; hyper-nat guests lists/],
  ['a name of nobody', ['block', 'Zoe'], /GUEST: no guest here is called "Zoe" or has such a key/],
  ['a start that is too short', ['block', 'EPk'], /GUEST: no guest here/],
  ['the start of no key', ['unblock', 'EPkmaN7v'], /GUEST: "EPkmaN7v" is not blocked/],
  ['a key at one of two servers', ['block', NOBODY], /--server: is needed/],
  [
    'an invited guest',
    ['block', 'Anna'],
    /GUEST: "Anna" is invited; hyper-nat revoke Anna takes the invite back/
  ]
]

for (const [what, args, expected] of NOT_BLOCKED) {
  test(`not blocked: ${what}`, async () => {
    const path = write(TWO)
    await runOnce(['invite', 'Anna', '-c', path, '--server', '1'])
    const text = readFileSync(path, 'utf8')
    const { code, err } = await runOnce([...args, '-c', path])
    assert.equal(code, 2)
    assert.match(err, expected)
    assert.equal(readFileSync(path, 'utf8'), text)
  })
}

test('an invite whose time is over makes way for a new one', async () => {
  const path = write(TEXT)
  const over = await json('invite', 'Anna', '-c', path, '--expires', '1h')
  await json('invite', 'Ben', '-c', path)
  const past = readFileSync(path, 'utf8').replace(/"expires": ".*?"/, '"expires": "2020-01-01T00:00:00Z"')
  writeFileSync(path, past)
  const anew = await json('invite', 'Anna', '-c', path, '--expires', '2h')
  assert.equal(anew.exit, 0)
  assert.notEqual(anew.ticket, over.ticket)
  const { guests } = (await json('guests', '-c', path)).servers[0]
  assert.deepEqual(
    guests.map(({ name, expired }: { name: string; expired?: true }) => [name, expired]),
    [
      ['Ben', undefined],
      ['Anna', undefined]
    ]
  )
  assert.match(readFileSync(path, 'utf8'), /\/\/ the game/)
})

test('a guest who was invited again has not been seen since', async () => {
  const path = write(TEXT)
  const { publicKey } = await json('invite', 'Anna', '-c', path)
  const lastSeen = async (ms: number) => {
    const times = { [publicKey]: { Anna: { at: new Date(ms).toISOString(), key: publicKey } } }
    writeFileSync(path.replace('.json', '.seen.json'), JSON.stringify(times))
    return (await json('guests', '-c', path)).servers[0].guests[0].lastSeen
  }
  assert.equal(await lastSeen(Date.now() - 60_000), undefined)
  assert.ok(await lastSeen(Date.now() + 1000))
})

test('events name guests, and a private server shows no ticket', () => {
  let out = ''
  const output = new TextOutput({ stdout: text => (out += text), stderr: () => {} }, false)
  const [publicKey, peer, host] = ['EPkmaN7vPqZW', 'DHUJWe9KAAYT', 'x']
  output.event({
    event: 'ready',
    mode: 'server',
    publicKey,
    ticket: 'hnat1xyz',
    private: true,
    maps: [{ proto: 'tcp', port: 1, host: '127.0.0.1' }]
  })
  output.event({ event: 'connected', publicKey, peer, name: 'J\u00f6rg', path: 'lan', host })
  output.event({ event: 'disconnected', publicKey, peer, name: 'J\u00f6rg', code: 'NOT_INVITED', host })
  output.event({ event: 'connected', publicKey, peer, path: 'lan', host })
  assert.doesNotMatch(out, /hnat1/)
  assert.match(out, /Only invited guests can join\. Make a ticket for one:\n {2}hyper-nat invite NAME\n/)
  assert.match(
    out,
    /Guest "Jörg" connected \(lan\)\nGuest "Jörg" disconnected \(NOT_INVITED\): the host does not let this guest in any more\nGuest DHUJWe9K\.\. connected/
  )
})
