// The commands around tickets: join, ticket, keygen, id, and what a server shows.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TextOutput } from '../../../src/cli/output.js'
import { run } from '../../../src/cli/run.js'
import type { DaemonEvent } from '../../../src/events.js'
import { decodeKey, encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { parseOptions } from '../../../src/options/file.js'
import { identityFileFor, loadIdentity } from '../../../src/options/identity-file.js'
import { Memory, runOnce, settings } from './memory.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-tickets-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const TICKET = encodeTicket({
  publicKey: decodeKey(KEY),
  maps: [
    { proto: 'tcp', port: 25565, name: 'Minecraft' },
    { proto: 'udp', port: 27015 },
    { proto: 'tcp', port: 27015 }
  ]
})

function ports(memory: Memory): string[] {
  return memory.options!.entries.map(entry =>
    entry.mode === 'client' ? `${entry.proto} ${entry.port} ${entry.localPort}` : ''
  )
}

test('join takes a ticket in one piece, in several, and behind a list', async () => {
  const whole = ports(await runOnce(['join', TICKET]))
  assert.deepEqual(whole, ['tcp 25565 25565', 'udp 27015 27015', 'tcp 27015 27015'])
  assert.deepEqual(ports(await runOnce(['join', TICKET.slice(0, 30).toUpperCase(), TICKET.slice(30)])), whole)
  assert.deepEqual(ports(await runOnce(['join', `${TICKET.slice(0, 30)}\n ${TICKET.slice(30)}`])), whole)
  assert.deepEqual(ports(await runOnce(['join', '--only', '25565', TICKET])), ['tcp 25565 25565'])
  assert.deepEqual(ports(await runOnce(['join', TICKET, '--only', 'minecraft', '-l', '7'])), ['tcp 25565 7'])
  assert.deepEqual(ports(await runOnce(['join', TICKET, '--only', 'minecraft', '--offset=-1'])), [
    'tcp 25565 25564'
  ])
  assert.deepEqual(ports(await runOnce(['join', '-l', '5', '6', TICKET])), [
    'tcp 25565 5',
    'udp 27015 6',
    'tcp 27015 6'
  ])
})

test('join comes with a key that is kept for the server, of its own for each', async () => {
  const other = encodeTicket({
    publicKey: keyPairOf(new Secret('another')).publicKey,
    maps: [{ proto: 'tcp', port: 2001 }]
  })
  const identity = async (...args: string[]): Promise<string | undefined> =>
    (await runOnce(['join', ...args])).options!.identity
  const first = await identity(TICKET)
  assert.ok(first?.startsWith(settings))
  assert.equal(await identity(TICKET, '--only', '25565'), first)
  const second = await identity(other)
  assert.ok(second && second !== first)
  const keys = await Promise.all([first!, second!].map(file => loadIdentity(file)))
  assert.notDeepEqual(keys[0]!.publicKey, keys[1]!.publicKey)
  assert.equal(await identity(TICKET, '--anonymous'), undefined)
  assert.equal(await identity(TICKET, '--identity', 'my.key'), 'my.key')
  // An invite is a key already.
  const invite = { publicKey: decodeKey(KEY), maps: [{ proto: 'tcp' as const, port: 2001 }] }
  assert.equal(await identity(encodeTicket({ ...invite, invite: new Uint8Array(32).fill(1) })), undefined)
  const { code, err } = await runOnce(['join', TICKET, '--anonymous', '--identity', 'my.key'])
  assert.equal(code, 2)
  assert.match(err, /--anonymous: cannot be combined with --identity/)
})

test('a key that cannot be kept keeps nobody from joining', async () => {
  const publicKey = keyPairOf(new Secret('a third')).publicKey
  const ticket = encodeTicket({ publicKey, maps: [{ proto: 'tcp', port: 2001 }] })
  // A folder stands where the file should be.
  mkdirSync(identityFileFor(publicKey), { recursive: true })
  const { options, code } = await runOnce(['join', ticket])
  assert.equal(code, 0)
  assert.equal(options!.identity, undefined)
  assert.match(
    options!.warnings.find(one => one.code === 'IDENTITY_NOT_KEPT')?.message ?? '',
    /cannot be used \(EISDIR\).* a new guest each time$/
  )
})

test('a ticket that opens many ports, or those of services, is joined with --yes only', async () => {
  const ticket = (...ports: number[]): string =>
    encodeTicket({ publicKey: decodeKey(KEY), maps: ports.map(port => ({ proto: 'tcp', port })) })
  const many = ticket(...Array.from({ length: 4096 }, (_, i) => 20_000 + i))
  const services = ticket(22, 5432, 25_565)
  for (const [joined, told] of [
    [many, /opens 4096 ports on this computer: 20000-20099,\.\.\. .*--yes/],
    [services, /look for its own services: 22,5432\. .*--yes/]
  ] as const) {
    const { code, err, options } = await runOnce(['join', joined])
    assert.deepEqual([code, options], [2, undefined])
    assert.match(err, told)
    assert.equal((await runOnce(['join', joined, '--yes'])).code, 0)
  }
  // Who names the local ports knows them; who leaves the services out is not told of them.
  for (const more of [
    ['-l', '2022,5432,25565'],
    ['--offset', '1000'],
    ['--only', '25565']
  ])
    assert.equal((await runOnce(['join', services, ...more])).code, 0, more.join(' '))
  assert.equal((await runOnce(['join', many, '-l', '20000-24095'])).code, 2)
})

// [what, arguments, the code, a part of the message]
const REFUSED: [string, string[], string, RegExp][] = [
  ['no ticket', ['join'], 'BAD_TICKET', /is empty; paste the text that begins with hnat1/],
  ['something else', ['join', 'hello'], 'BAD_TICKET', /neither a ticket, which begins with hnat1/],
  ['a public key', ['join', KEY], 'BAD_TICKET', /is a public key, .*hyper-nat client -k/],
  ['a cut ticket', ['join', TICKET.slice(0, -5)], 'TICKET_CUT', /5 characters are missing/],
  [
    'a typo',
    ['join', TICKET.replace(/.$/, char => (char === 'y' ? 'b' : 'y'))],
    'TICKET_MISTYPED',
    /position \d+/
  ],
  ['a newer ticket', ['ticket', `hnat7${'y'.repeat(70)}`], 'TICKET_VERSION', /update it/],
  ['a name that is not there', ['join', TICKET, '--only', 'Doom'], 'BAD_OPTIONS', /names "Doom"/],
  ['a file without --save', ['join', TICKET, '-c', 'x.json'], 'BAD_USAGE', /only works with --save/],
  ['an identity that is none', ['id', '--identity', folder], 'IDENTITY_UNUSABLE', /cannot be used/]
]

for (const [what, args, code, message] of REFUSED) {
  test(`refused with its code: ${what}`, async () => {
    const plain = await runOnce(args)
    assert.equal(plain.code, 2)
    assert.match(plain.err, message)
    assert.equal(plain.out, '')
    const { events, err } = await runOnce([...args, '--json'])
    assert.equal(err, '')
    assert.deepEqual(
      events.map(event => event.code),
      [code]
    )
  })
}

test('a fault of a ticket in a file has its code', async () => {
  const path = join(folder, 'cut.json')
  writeFileSync(path, JSON.stringify({ schema: [{ mode: 'client', ticket: TICKET.slice(0, -5) }] }))
  const { events } = await runOnce(['-c', path, '--json'])
  assert.deepEqual(
    events.map(({ code, path }) => [code, path]),
    [['TICKET_CUT', 'schema[0].ticket']]
  )
})

const READY: DaemonEvent = {
  event: 'ready',
  mode: 'client',
  publicKey: KEY,
  maps: [
    { proto: 'tcp', port: 25565, localHost: '127.0.0.1', localPort: 25566 },
    { proto: 'udp', port: 27015, localHost: '127.0.0.1', localPort: 27015 },
    { proto: 'tcp', port: 27015, localHost: '127.0.0.1', localPort: 27015 }
  ]
}

/** A join whose daemon says what it opened; `said` tells when it has said enough. */
async function joined(args: string[], said: (memory: Memory) => boolean): Promise<Memory & { code: number }> {
  const memory = new Memory()
  const running = run(['join', TICKET, ...args], memory)
  memory.fake.onStart = async () => {
    memory.fake.tell(READY)
    // What follows from it comes from the disk.
    while (!said(memory)) await new Promise(resolve => setImmediate(resolve))
    memory.stop()
  }
  const code = await running
  return Object.assign(memory, { code })
}

test('join says what to type', async () => {
  const { out, code } = await joined([], () => true)
  assert.equal(code, 0)
  assert.equal(
    out,
    '127.0.0.1:25566 (tcp) -> port 25565 of EPkmaN7v..\n' +
      '127.0.0.1:27015 (udp) -> port 27015 of EPkmaN7v..\n' +
      '127.0.0.1:27015 (tcp) -> port 27015 of EPkmaN7v..\n' +
      'In "Minecraft", enter 127.0.0.1:25566 (or localhost:25566)\n' +
      'In the game or program, enter 127.0.0.1:27015\n' +
      'Press Ctrl-C to stop.\n'
  )
})

test('join --save writes what was really opened', async () => {
  const path = join(folder, 'options.json')
  const first = await joined(['--save', '-c', path], ({ out }) => /Saved/.test(out))
  assert.match(first.out, /Saved in .*options.json. Next time run hyper-nat -c .*options.json.\n/)
  const maps = parseOptions(readFileSync(path, 'utf8')).entries.map(
    entry => entry.mode === 'client' && `${entry.proto} ${entry.port} ${entry.localPort}`
  )
  assert.deepEqual(maps, ['tcp 25565 25566', 'udp 27015 27015', 'tcp 27015 27015'])
  const second = await joined(['--save', '-c', path], ({ out }) => /already/.test(out))
  assert.match(second.out, /options.json has it already\n/)
})

test('what cannot be saved is reported, and the rest continues', async () => {
  const path = join(folder, 'broken.json')
  writeFileSync(path, '{ "schema": [')
  const { err, code } = await joined(['--save', '-c', path], memory => memory.err !== '')
  assert.equal(code, 0)
  assert.match(err, /^warning BAD_OPTIONS: Not saved. .*line 1/)
  assert.equal(readFileSync(path, 'utf8'), '{ "schema": [')
})

test('join --qr shows the ticket again', async () => {
  const { out } = await joined(['--qr'], () => true)
  assert.match(out, /[\u2580\u2584\u2588]/)
  assert.doesNotMatch((await joined([], () => true)).out, /[\u2580\u2584\u2588]/)
})

test('ticket tells what is in one', async () => {
  const full = encodeTicket({
    publicKey: decodeKey(KEY),
    maps: [{ proto: 'tcp', port: 1, name: 'K\u00fcche' }],
    relays: [decodeKey(KEY)],
    bootstrap: ['127.0.0.1:1'],
    addresses: ['wss://relay.example/hn'],
    invite: new Uint8Array(32)
  })
  const { out, code } = await runOnce(['ticket', full])
  assert.equal(code, 0)
  assert.equal(
    out,
    `public key\n  ${KEY}\nports\n  tcp 1 "Küche"\nrelays\n  ${KEY}\n  wss://relay.example/hn\nDHT nodes\n  127.0.0.1:1\n` +
      'an invite: this ticket is for one guest, and a secret\n'
  )
  const { events } = await runOnce(['ticket', TICKET, '--json'])
  assert.deepEqual(events, [
    {
      event: 'ticket',
      publicKey: KEY,
      maps: [
        { proto: 'tcp', port: 25565, name: 'Minecraft' },
        { proto: 'udp', port: 27015 },
        { proto: 'tcp', port: 27015 }
      ],
      relays: [],
      bootstrap: [],
      addresses: [],
      invite: false
    }
  ])
})

test('keygen makes a secret that belongs to the key, another each time', async () => {
  const secrets = new Set<unknown>()
  for (let i = 0; i < 3; i++) {
    const { events, code } = await runOnce(['keygen', '--json'])
    assert.equal(code, 0)
    const [{ event, secret, publicKey }] = events as [Record<string, string>]
    assert.equal(event, 'keygen')
    assert.equal(publicKey, encodeKey(keyPairOf(new Secret(secret!)).publicKey))
    secrets.add(secret)
    // No warning: it is strong.
    const served = await runOnce(['server', '-p', '1/udp', '-s', secret!])
    assert.equal(served.err, '')
  }
  assert.equal(secrets.size, 3)
  const { out } = await runOnce(['keygen'])
  assert.match(out, /^secret .*\n {2}[a-z0-9]{32}\npublic key .*\n {2}\w{43,44}\n$/)
})

test('id shows the public key of a file', async () => {
  const path = join(folder, 'identity')
  const { out } = await runOnce(['id', '--identity', path])
  const { events } = await runOnce(['id', '--identity', path, '--json'])
  assert.deepEqual(events, [{ event: 'identity', publicKey: out.trim(), file: path }])
  assert.equal(out.trim(), encodeKey((await loadIdentity(path)).publicKey))
})

test('an identity comes from the file, whose folder it is in, or from a flag', async () => {
  const path = join(folder, 'with-identity.json')
  writeFileSync(
    path,
    JSON.stringify({ identity: 'me.key', schema: [{ mode: 'client', port: 1, publicKey: KEY }] })
  )
  assert.equal((await runOnce(['-c', path])).options?.identity, join(folder, 'me.key'))
  assert.equal((await runOnce(['-c', path, '--identity', 'x'])).options?.identity, 'x')
  assert.equal((await runOnce(['client', '-r', '1', '-k', KEY, '--identity', 'x'])).options?.identity, 'x')
  assert.equal((await runOnce(['join', TICKET, '--identity', 'x'])).options?.identity, 'x')
})

const SHARED: DaemonEvent = {
  event: 'ready',
  mode: 'server',
  publicKey: KEY,
  ticket: TICKET,
  maps: [{ proto: 'tcp', port: 25565, host: '127.0.0.1' }]
}

test('a server shows its ticket, and the longer line for those who want to choose', () => {
  let out = ''
  const streams = { stdout: (text: string) => void (out += text), stderr: () => assert.fail() }
  new TextOutput(streams, false).event(SHARED)
  assert.equal(
    out,
    `On the other computer, run:\n\n  hyper-nat join ${TICKET}\n\n` +
      `Sharing\n  tcp port 25565 of 127.0.0.1\nPublic key\n  ${KEY}\n` +
      `To choose other ports on that computer, run there instead:\n  hyper-nat client -l 25565 -r 25565 --protocol tcp -k ${KEY}\n`
  )
})

test('server --qr draws the ticket', async () => {
  const memory = new Memory()
  memory.fake.onStart = async () => {
    memory.fake.tell(SHARED)
    memory.stop()
  }
  await run(['server', '-p', '25565', '-s', 'qm4jzr8tk3ow9yxa5hbdnc6e', '--qr'], memory)
  assert.match(memory.out, /[\u2580\u2584\u2588]{7}/)
})

test('the name of a server reaches its entries', async () => {
  const { options } = await runOnce([
    'server',
    '-p',
    '1,2',
    '-s',
    'qm4jzr8tk3ow9yxa5hbdnc6e',
    '--name',
    'My game'
  ])
  assert.deepEqual(
    options!.entries.map(({ name }) => name),
    ['My game', 'My game']
  )
})
