import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clientLine } from '../../../src/cli/client-line.js'
import { JsonOutput, type Output, TextOutput } from '../../../src/cli/output.js'
import type { DaemonEvent } from '../../../src/events.js'
import type { Proto } from '../../../src/proto.js'
import { runOnce, words } from './memory.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const PEER = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'
/** One of the server's hosts. */
const HOST = '7Xf3kQ2m'

function text(events: DaemonEvent[], quiet = false, bootstrap: string[] = []): { out: string; err: string } {
  const said = { out: '', err: '' }
  const streams = { stdout: (s: string) => void (said.out += s), stderr: (s: string) => void (said.err += s) }
  const output: Output = new TextOutput(streams, quiet, bootstrap)
  for (const event of events) output.event(event)
  output.close()
  assert.match(said.out + said.err, /^[\x20-\x7e\n]*$/)
  return said
}

const serverReady: DaemonEvent = {
  event: 'ready',
  mode: 'server',
  publicKey: KEY,
  maps: [
    { proto: 'udp', port: 3000, host: '127.0.0.1' },
    { proto: 'tcp', port: 3001, host: 'nas' }
  ]
}
const clientReady: DaemonEvent = {
  event: 'ready',
  mode: 'client',
  publicKey: KEY,
  maps: [
    { proto: 'tcp', port: 80, localHost: '127.0.0.1', localPort: 8080 },
    { proto: 'udp', port: 53, localHost: '::1', localPort: 5353 }
  ]
}
const connected: DaemonEvent = { event: 'connected', publicKey: KEY, peer: PEER, path: 'direct', host: HOST }
const disconnected: DaemonEvent = {
  event: 'disconnected',
  host: HOST,
  publicKey: KEY,
  peer: PEER,
  code: 'CONNECTION_LOST'
}

test('hosts of one server are distinguished as soon as there are several', () => {
  const at = (event: 'connected' | 'disconnected', host: string): DaemonEvent =>
    event === 'connected' ? { ...connected, peer: KEY, host } : { ...disconnected, peer: KEY, host }
  const events = [
    at('connected', 'first'),
    at('connected', 'second'),
    at('disconnected', 'first'),
    at('disconnected', 'second'),
    at('connected', 'third')
  ]
  assert.equal(
    text([clientReady, ...events])
      .out.split('\n')
      .slice(2)
      .join('\n'),
    'Server EPkmaN7v.. connected (direct)\n' +
      'Server EPkmaN7v.., host second, connected (direct)\n' +
      'Server EPkmaN7v.., host first, disconnected (CONNECTION_LOST): nothing came through any more; it may come back\n' +
      'Server EPkmaN7v.. disconnected (CONNECTION_LOST): nothing came through any more; it may come back\n' +
      'Server EPkmaN7v.. connected (direct)\n'
  )
})

test('a server shows its key, its ports and the line to paste', () => {
  assert.equal(
    text([serverReady]).out,
    'On the other computer, run:\n\n' +
      `  hyper-nat client -l "3000,3001" -r "3000,3001" --protocol "udp,tcp" -k ${KEY}\n\n` +
      'Sharing\n' +
      '  udp port 3000 of 127.0.0.1\n' +
      '  tcp port 3001 of nas\n' +
      'Public key\n' +
      `  ${KEY}\n`
  )
})

test('a private server says how guests come: by invites, or by keys where there is no file', () => {
  const ready: DaemonEvent = { ...serverReady, private: true, ticket: 'hnat1x' }
  assert.match(text([ready]).out, /Only invited guests can join\. .*\n {2}hyper-nat invite NAME\n$/)
  let elsewhere = ''
  const where = { file: '/etc/hn nat.json', hasSeveral: true }
  new TextOutput({ stdout: s => void (elsewhere += s), stderr: () => {} }, false, [], where).event(ready)
  assert.match(elsewhere, /\n {2}hyper-nat invite NAME -c "\/etc\/hn nat\.json" --server EPkmaN7v\n$/)
  const said = { out: '', err: '' }
  const streams = { stdout: (s: string) => void (said.out += s), stderr: (s: string) => void (said.err += s) }
  new TextOutput(streams, false, [], { byFlags: true }).event(ready)
  assert.match(
    said.out,
    /^On the other computer, run:\n\n {2}hyper-nat join hnat1x --identity FILE\n\n(.*\n)*Only the keys that you allow can join; .*\n$/
  )
  assert.doesNotMatch(said.out, /invite/)
  said.out = ''
  const codes = { byFlags: true, qr: (ticket: string) => `(code of ${ticket})\n` } as const
  const { ticket: _, ...without } = ready
  new TextOutput(streams, false, [], codes).event(without)
  assert.match(said.out, new RegExp(`-k ${KEY} --identity FILE\n\nSharing\n`))
})

test('a client shows where its ports lead', () => {
  assert.equal(
    text([clientReady]).out,
    '127.0.0.1:8080 (tcp) -> port 80 of EPkmaN7v..\n[::1]:5353 (udp) -> port 53 of EPkmaN7v..\n'
  )
})

test('sessions come and go, each end in its own words', () => {
  assert.match(
    text([serverReady, connected, disconnected]).out,
    /Guest DHUJWe9K\.\. connected \(direct\)\nGuest DHUJWe9K\.\. disconnected \(CONNECTION_LOST\): nothing came through any more; it may come back\n$/
  )
  // To a client, its peer is the server that it knows by this key.
  assert.match(
    text([clientReady, { ...connected, peer: KEY }]).out,
    /Server EPkmaN7v\.\. connected \(direct\)\n$/
  )
  const waiting: DaemonEvent = {
    event: 'waiting',
    publicKey: KEY,
    code: 'SERVER_NOT_FOUND',
    message: 'it is not up'
  }
  assert.equal(text([waiting]).out, 'Waiting for EPkmaN7v..: it is not up\n')
})

test('a path that changes is reported as that, with what it was', () => {
  const changed: DaemonEvent = { ...connected, name: 'Anna', was: 'relayed' }
  assert.equal(text([changed]).out, 'Guest "Anna" is now direct, was relayed: a direct path opened\n')
  const family = 'IPv6'
  assert.equal(
    text([{ ...changed, family }]).out,
    'Guest "Anna" is now direct over IPv6, was relayed: a direct path opened\n'
  )
  assert.equal(
    text([{ ...changed, was: 'direct', family }]).out,
    'Guest "Anna" is now direct over IPv6, was direct: that is faster\n'
  )
  const { was: _, ...begun } = changed
  assert.equal(text([{ ...begun, family }]).out, 'Guest "Anna" connected (direct, IPv6)\n')
  assert.equal(
    text([{ ...connected, peer: KEY, path: 'lan', was: 'direct' }]).out,
    'Server EPkmaN7v.. is now lan, was direct: its address changed\n'
  )
  assert.equal(text([{ event: 'metrics', url: 'http://x/metrics' }]).out, 'Metrics at http://x/metrics\n')
})

test('warnings and errors go to stderr; quiet leaves the errors', () => {
  const events: DaemonEvent[] = [
    serverReady,
    { event: 'warning', code: 'SOME', message: 'careful' },
    { event: 'error', code: 'MAP_NOT_SHARED', message: 'no such map' }
  ]
  assert.equal(text(events).err, 'warning SOME: careful\nerror MAP_NOT_SHARED: no such map\n')
  assert.deepEqual(text(events, true), { out: '', err: 'error MAP_NOT_SHARED: no such map\n' })
})

test('JSON lines are the events as they are', () => {
  let out = ''
  const output = new JsonOutput({ stdout: s => void (out += s), stderr: () => assert.fail() })
  const events = [serverReady, clientReady, connected, disconnected]
  for (const event of events) output.event(event)
  assert.deepEqual(
    out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
    events
  )
})

const INVITES: [string, [Proto, number][], string[], string][] = [
  ['one port', [['udp', 3000]], [], '-l 3000 -r 3000 --protocol udp'],
  [
    'one protocol for many',
    [
      ['tcp', 1],
      ['tcp', 5]
    ],
    [],
    '-l "1,5" -r "1,5" --protocol tcp'
  ],
  [
    'neighbours',
    [
      ['udp', 27015],
      ['udp', 27016],
      ['udp', 27017]
    ],
    [],
    '-l 27015-27017 -r 27015-27017 --protocol udp'
  ],
  [
    'both protocols',
    [
      ['udp', 53],
      ['tcp', 53],
      ['tcp', 80]
    ],
    [],
    '-l "53,80" -r "53,80" --protocol "tcp+udp,tcp"'
  ],
  [
    'a range of both',
    [
      ['tcp', 5],
      ['udp', 5],
      ['tcp', 6],
      ['udp', 6]
    ],
    [],
    '-l 5-6 -r 5-6 --protocol tcp+udp'
  ],
  [
    'tcp and tcpudp, which listen on the same',
    [
      ['tcp', 5],
      ['tcpudp', 5]
    ],
    [],
    '-l "5,0" -r "5,5" --protocol "tcp,tcpudp"'
  ]
]

for (const [what, maps, bootstrap, expected] of INVITES) {
  test(`invites: ${what}`, () => {
    const line = clientLine(
      KEY,
      maps.map(([proto, port]) => ({ proto, port })),
      bootstrap
    )
    assert.equal(line, `hyper-nat client ${expected} -k ${KEY}`)
  })
}

test('invites repeat the DHT that they are for', () => {
  const line = clientLine(KEY, [{ proto: 'udp', port: 1 }], ['127.0.0.1:49737', 'b:1'])
  assert.equal(line, `hyper-nat client -l 1 -r 1 --protocol udp -k ${KEY} --bootstrap "127.0.0.1:49737,b:1"`)
})

test('an invite opens what is shared, whatever that is', async () => {
  const map = fc.record({
    proto: fc.constantFrom<Proto>('tcp', 'udp', 'tcpudp'),
    // Few and near, so that neighbours and pairs are met.
    port: fc.integer({ min: 1, max: 12 })
  })
  const maps = fc.uniqueArray(map, {
    minLength: 1,
    maxLength: 12,
    selector: ({ proto, port }) => `${proto} ${port}`
  })
  await fc.assert(
    fc.asyncProperty(maps, async maps => {
      const line = clientLine(KEY, maps, ['a:1'])
      assert.doesNotMatch(line, /[$`\\%!^&|<>()']/)
      const { code, err, options } = await runOnce(words(line).slice(1))
      assert.equal(code, 0, `${line}\n${err}`)
      const opened = options!.entries.map(({ proto, port }) => `${proto} ${port}`)
      assert.deepEqual(opened.sort(), maps.map(({ proto, port }) => `${proto} ${port}`).sort(), line)
      assert.deepEqual(options!.network.bootstrap, ['a:1'])
    }),
    { numRuns: 60 }
  )
})

test('a program that is waited for is called by its name, or by its protocol and port', () => {
  const target = { event: 'target', publicKey: KEY, proto: 'tcp', port: 25565, host: '127.0.0.1' } as const
  const { out } = text([
    { ...target, state: 'closed', name: 'Anna' },
    { ...target, state: 'closed', host: 'nas' },
    connected,
    { ...target, state: 'answers', name: 'Anna' }
  ])
  assert.deepEqual(
    out.split('\n').filter(line => !line.includes('connected')),
    [
      'Waiting for Anna on port 25565: start it, then guests can use it.',
      'Waiting for a program on tcp port 25565 of nas: start it, then guests can use it.',
      'Anna is running on port 25565.',
      ''
    ]
  )
})

test('ports in a row are one line, at the server and at the client', () => {
  const at = (port: number) => ({ proto: 'tcp', port, host: '127.0.0.1' }) as const
  const server = { ...serverReady, maps: [...[1, 2, 3, 5].map(at), { ...at(6), host: 'nas' }] } as DaemonEvent
  assert.match(
    text([server]).out,
    /^Sharing\n {2}tcp ports 1-3 of 127.0.0.1\n {2}tcp port 5 of 127.0.0.1\n {2}tcp port 6 of nas\nPublic/m
  )
  const local = (port: number, localPort: number) =>
    ({ proto: 'udp', port, localHost: '::1', localPort }) as const
  const client = { ...clientReady, maps: [local(1, 11), local(2, 12), local(3, 40)] } as DaemonEvent
  assert.equal(
    text([client]).out,
    '[::1]:11-12 (udp) -> ports 1-2 of EPkmaN7v..\n[::1]:40 (udp) -> port 3 of EPkmaN7v..\n'
  )
})

test('programs on many ports are waited for in one line, and told before what comes next', () => {
  const of = (port: number, more: object = {}): DaemonEvent => ({
    ...{ event: 'target', publicKey: KEY, proto: 'tcp', port, host: '127.0.0.1', state: 'closed' },
    ...more
  })
  const ports = [8000, 8001, 8002, 8010].map(port => of(port))
  const game = { name: 'Valheim', proto: 'udp' }
  const { out } = text([
    ...ports,
    of(2456, game),
    of(2457, game),
    of(9),
    of(9, { state: 'answers' }),
    connected
  ])
  const [ranges, named, running, next] = out.split('\n')
  assert.equal(
    ranges,
    'Waiting for programs on tcp ports 8000-8002,8010: start them, then guests can use them.'
  )
  assert.equal(named, 'Waiting for Valheim on ports 2456-2457: start it, then guests can use it.')
  assert.equal(running, 'A program is running on tcp port 9.')
  assert.match(next!, /connected/)
})

test('quiet: the ticket alone on stdout, and a generated secret on stderr', () => {
  const said = { out: '', err: '' }
  const streams = { stdout: (s: string) => void (said.out += s), stderr: (s: string) => void (said.err += s) }
  const output = new TextOutput(streams, true)
  output.generatedSecret('qm4jzr8t')
  const ready = { ...serverReady, ticket: 'hnat1x' }
  for (const event of [ready, connected, ready]) output.event(event)
  assert.deepEqual(said, { out: 'hnat1x\nhnat1x\n', err: 'secret: qm4jzr8t\n' })
})

test('a generated secret is printed once, after the ticket; Ctrl-C is named at a terminal only', () => {
  for (const interactive of [true, false]) {
    let out = ''
    const streams = { stdout: (s: string) => void (out += s), stderr: () => assert.fail() }
    const output = new TextOutput(streams, false, [], { interactive })
    output.generatedSecret('qm4jzr8t')
    assert.equal(out, '')
    for (let times = 0; times < 2; times++) output.event({ ...serverReady, ticket: 'hnat1x' })
    assert.match(
      out,
      /^On the other computer, run:\n\n {2}hyper-nat join hnat1x\n\n(.*\n)*Secret, .*\n {2}qm4jzr8t\n/
    )
    assert.equal(out.split('qm4jzr8t').length, 2)
    assert.equal(out.split('Press Ctrl-C to stop.\n').length, interactive ? 2 : 1)
  }
})
