import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressCheck,
  beyondCheck,
  clockCheck,
  natCheck,
  natName,
  networkCheck,
  portMappingCheck,
  versionCheck
} from '../../../src/doctor/local-checks.js'
import type { Check, HostFinding, PortMappingFinding, ServerFinding } from '../../../src/doctor/report.js'
import { serverChecks, sideInTheWay } from '../../../src/doctor/server-checks.js'
import { DOCTOR_LIMITS } from '../../../src/limits.js'
import type { NatFinding, NatKind } from '../../../src/network/nat.js'
import type { Survey } from '../../../src/network/survey-finding.js'

const KINDS: readonly NatKind[] = ['open', 'full-cone', 'cone', 'firewall', 'symmetric', 'blocked', 'unknown']

const CODES = [
  'DHT_UNREACHABLE',
  'SERVER_NOT_FOUND',
  'SERVER_NOT_RUNNING',
  'SERVER_REFUSED',
  'SERVER_UNREACHABLE',
  'NATS_RANDOM',
  'RELAY_UNREACHABLE',
  'VERSION_MISMATCH',
  'WRONG_KEY',
  'TOO_MANY_SESSIONS',
  'NOT_INVITED',
  'INVITE_EXPIRED',
  'TOO_MANY_DEVICES',
  'PROTOCOL_ERROR',
  'HANDSHAKE_TIMEOUT',
  'INTERNAL'
]

function nat(kind: NatKind, more: Partial<NatFinding> = {}): NatFinding {
  return { kind, unknown: null, publicAddresses: ['203.0.113.9'], translated: true, ...more }
}

function survey(more: Partial<Survey> = {}): Survey {
  return {
    asked: 8,
    answered: 8,
    rtt: 23.6,
    nat: nat('cone'),
    beyond: null,
    contact: null,
    tcp: null,
    ...more
  }
}

function server(more: Partial<ServerFinding> = {}): ServerFinding {
  return {
    publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA',
    knownBy: 3,
    connected: true,
    code: null,
    reason: null,
    path: 'direct',
    direct: true,
    serverIsRandom: null,
    rtt: 20,
    jitter: 1,
    loss: 0,
    shared: [{ proto: 'tcp', port: 80 }],
    hosts: [host()],
    inTheWay: null,
    ...more
  }
}

function host(more: Partial<HostFinding> = {}): HostFinding {
  const shared = [{ proto: 'tcp', port: 80 }] as const
  return { host: '3vQB7B6M', used: true, path: 'direct', rtt: 20, jitter: 1, loss: 0, shared, ...more }
}

const SEVERAL = [
  host(),
  host({ host: 'C2sVwN8h', used: false, path: 'lan', loss: 0.5 }),
  host({ host: '9aQkPz4T', used: false, path: 'relayed', rtt: null, jitter: null, loss: 1 }),
  host({ host: 'Hk7rX2bE', used: false, shared: [{ proto: 'udp', port: 53 }] }),
  host({ host: 'Jm3tY8cF', used: false, shared: [] })
]

const MAPPED = {
  state: 'mapped',
  protocol: 'upnp',
  externalAddress: '203.0.113.9',
  externalPort: 49737
} as const
const USELESS = {
  state: 'useless',
  protocol: 'pcp',
  externalPort: 49737,
  routerAddress: '10.0.0.2',
  seenAddress: '203.0.113.9'
} as const
const MAPPINGS: readonly PortMappingFinding[] = [
  MAPPED,
  USELESS,
  { ...USELESS, routerAddress: null },
  { state: 'unneeded' },
  { state: 'none', reason: 'nobody there' },
  { state: 'refused', reason: 'so it is' }
]

function failed(code: string, more: Partial<ServerFinding> = {}): ServerFinding {
  const gone = { connected: false, path: null, rtt: null, jitter: null, loss: null, shared: [] }
  return server({ ...gone, code, reason: 'It did not work.', ...more })
}

function checksOf(finding: ServerFinding, kind: NatKind = 'cone'): Check[] {
  return serverChecks(finding, { kind, beyond: null }, DOCTOR_LIMITS)
}

test('the network is fine when more than half of the DHT nodes answer', () => {
  const verdict = (answered: number) => networkCheck(survey({ asked: 4, answered })).verdict
  assert.deepEqual([4, 3, 2, 1, 0].map(verdict), ['ok', 'ok', 'note', 'note', 'problem'])
})

/** Where UDP is blocked. */
const BY_TCP = { used: 'wss://relay.example/', server: false, failed: [] }

test('a relay by TCP through which nobody answers is a problem, unless a server that is its own relay is reached', () => {
  const none = { asked: 0, answered: 0, rtt: null, contact: 'blocked', nat: nat('blocked') } as const
  const { verdict, message } = networkCheck(survey({ ...none, tcp: BY_TCP }))
  assert.equal(verdict, 'problem')
  assert.match(message, /no node of the network answers through the relay wss:\/\/relay\.example\//)
  const own = networkCheck(survey({ ...none, tcp: { ...BY_TCP, server: true } }))
  assert.equal(own.verdict, 'note')
  assert.match(own.message, /leads to that server only/)
  const works = networkCheck(survey({ nat: nat('blocked'), contact: 'blocked', tcp: BY_TCP }))
  assert.equal(works.verdict, 'note')
  assert.match(works.message, /8 of 8 DHT nodes answer through wss:\/\/relay\.example\//)
})

/** Everything that the doctor can say. */
const ALL: readonly (Check | null)[] = [
  versionCheck({ hyperNat: '2.0.0', node: '20.19.0', platform: 'linux x64' }),
  versionCheck({ hyperNat: '2.0.0', node: '20.18.9', platform: 'linux x64' }),
  clockCheck({ now: 0, plausible: false, jumped: 0 }, 2000),
  clockCheck({ now: 0, plausible: true, jumped: -3000 }, 2000),
  clockCheck({ now: 0, plausible: true, jumped: 100 }, 2000),
  networkCheck(survey()),
  networkCheck(survey({ answered: 2 })),
  ...(['blocked', 'refused', 'offline', 'silent'] as const).map(contact =>
    networkCheck(survey({ answered: 0, contact }))
  ),
  ...[0, 2].map(answered => networkCheck(survey({ answered, contact: 'blocked', tcp: BY_TCP }))),
  ...KINDS.flatMap(kind => [natCheck(nat(kind), null), natCheck(nat(kind), 'carrier')]),
  ...(['inside', 'one-host'] as const).map(unknown => natCheck(nat('unknown', { unknown }), null)),
  addressCheck(nat('cone')),
  addressCheck(nat('symmetric', { publicAddresses: ['203.0.113.9', '203.0.113.10'] })),
  ...(['carrier', 'private', 'public', null] as const).map(beyondCheck),
  ...KINDS.map(kind => natCheck(nat(kind), null, true)),
  ...MAPPINGS.flatMap(mapping =>
    (['carrier', 'private', 'public', null] as const).map(beyond =>
      portMappingCheck(mapping, nat('symmetric'), beyond)
    )
  ),
  ...checksOf(server({ hosts: SEVERAL })),
  ...KINDS.flatMap(kind => [
    ...CODES.flatMap(code => checksOf(failed(code, { inTheWay: sideInTheWay(code, kind, null) }), kind)),
    ...checksOf(server({ path: 'relayed', direct: false, serverIsRandom: true, loss: 0.2 }), kind),
    ...checksOf(server({ path: 'relayed', direct: false, jitter: 80, shared: [] }), kind),
    ...checksOf(server({ path: 'lan', rtt: 400 }), kind),
    ...checksOf(server({ rtt: null, jitter: null, loss: 1 }), kind)
  ])
]

test('all that the doctor says is whole sentences in ASCII, and what is wrong comes with what to do', () => {
  const checks = ALL.filter(check => check !== null)
  assert.ok(checks.length > 100)
  for (const check of checks) {
    const { verdict, message, advice } = check
    assert.match(message, /^[A-Z0-9h][\x20-\x7e]*[.]$/, message)
    if (advice !== null) assert.match(advice, /^[A-Z][\x20-\x7e]*[.]$/, advice)
    if (verdict === 'ok') assert.equal(advice, null, message)
    else assert.notEqual(advice, null, message)
  }
})

test('the version of Node.js', () => {
  const verdict = (node: string) => versionCheck({ hyperNat: '2.0.0', node, platform: 'linux x64' }).verdict
  assert.deepEqual(['18.20.0', '20.18.3', '20.19.0', '22.0.0'].map(verdict), [
    'problem',
    'problem',
    'ok',
    'ok'
  ])
})

test('the clock is judged for what is known of it', () => {
  const check = (found: { plausible: boolean; jumped: number }) =>
    clockCheck({ now: Date.UTC(2026, 10, 21, 12, 5), ...found }, 2000)
  assert.match(check({ plausible: true, jumped: 20 }).message, /2026-11-21 12:05 UTC.*no other clock/)
  assert.match(check({ plausible: true, jumped: -3600_000 }).message, /set 3600 s back/)
  assert.equal(check({ plausible: false, jumped: 0 }).verdict, 'note')
})

test('every kind of NAT is named as people know it, with what it means for playing', () => {
  assert.equal(natName({ kind: 'open' }), 'open')
  assert.match(natName({ kind: 'full-cone' }), /^open \(full cone\)/)
  assert.match(natName({ kind: 'cone' }), /^moderate/)
  assert.match(natName({ kind: 'firewall' }), /^moderate/)
  assert.match(natName({ kind: 'symmetric' }), /^strict \(symmetric, random ports\)/)
  assert.equal(natName({ kind: 'blocked' }), 'UDP blocked')
  for (const kind of ['open', 'full-cone', 'cone', 'firewall', 'symmetric'] as const) {
    assert.match(natCheck(nat(kind), null)!.message, /You (can play|connect) /)
  }
})

test('a carrier is asked for what its customers cannot turn on themselves', () => {
  assert.match(natCheck(nat('symmetric'), 'carrier')!.advice!, /carrier/)
  assert.doesNotMatch(natCheck(nat('symmetric'), null)!.advice!, /carrier/)
})

test('what a router that maps ports means for playing', () => {
  const check = (mapping: PortMappingFinding, kind: NatKind = 'cone', translated = true) =>
    portMappingCheck(mapping, nat(kind, { translated }), null)
  assert.deepEqual([check(MAPPED).verdict, check(USELESS).verdict], ['ok', 'note'])
  assert.match(check(MAPPED).message, /\(UPnP\), and UDP port 49737 of 203\.0\.113\.9 led here\. Guests/)
  assert.match(check(USELESS).message, /\(PCP\).*its own address is 10\.0\.0\.2, others see 203\.0\.113\.9/)
  assert.match(check({ ...USELESS, routerAddress: null }).message, /a firewall or another router blocks it/)
  const none = { state: 'none', reason: '' } as const
  assert.match(check(none).advice!, /Turn on UPnP/)
  assert.equal(check(none, 'firewall', false).verdict, 'ok')
  assert.match(natCheck(nat('symmetric'), null, true)!.message, /As host, you can play with everyone/)
})

test('several hosts under one secret are distinguished, one line each', () => {
  const hosts = checksOf(server({ hosts: SEVERAL })).filter(({ name }) => name === 'host')
  assert.deepEqual(
    hosts.map(({ verdict, message }) => `${verdict}: ${message}`),
    [
      'ok: Host 3vQB7B6M (the one in use): directly, round trip 20 ms, jitter 1.0 ms, 0 % lost.',
      'note: Host C2sVwN8h: within the LAN, round trip 20 ms, jitter 1.0 ms, 50 % lost.',
      'note: Host 9aQkPz4T: through a relay, no answer, 100 % lost.',
      'note: Host Hk7rX2bE: directly, round trip 20 ms, jitter 1.0 ms, 0 % lost. It shares udp 53.',
      'note: Host Jm3tY8cF: directly, round trip 20 ms, jitter 1.0 ms, 0 % lost. It shares nothing.'
    ]
  )
  assert.match(checksOf(server({ hosts: SEVERAL }))[0]!.message, /, as 5 hosts under one secret \(3 DHT/)
  assert.deepEqual(
    checksOf(server()).map(({ name }) => name),
    ['server', 'path', 'quality', 'maps']
  )
})

test('whose side is in the way', () => {
  const sides = (code: string, kind: NatKind, random: boolean | null) => sideInTheWay(code, kind, random)
  assert.equal(sides('SERVER_UNREACHABLE', 'symmetric', false), 'here')
  assert.equal(sides('SERVER_UNREACHABLE', 'cone', true), 'there')
  assert.equal(sides('SERVER_UNREACHABLE', 'symmetric', true), 'both')
  assert.equal(sides('SERVER_UNREACHABLE', 'cone', false), null)
  assert.equal(sides('NATS_RANDOM', 'symmetric', null), 'both')
  assert.equal(sides('SERVER_NOT_FOUND', 'cone', null), 'there')
  assert.equal(sides('SERVER_NOT_RUNNING', 'symmetric', null), 'there')
  assert.equal(sides('DHT_UNREACHABLE', 'blocked', null), 'here')
  assert.equal(sides('RELAY_UNREACHABLE', 'symmetric', null), 'relay')
})

test('a server that is found but not reached is distinguished from one that is not running', () => {
  const verdicts = (code: string) => checksOf(failed(code)).map(({ name, verdict }) => `${name} ${verdict}`)
  assert.deepEqual(verdicts('NATS_RANDOM'), ['server ok', 'path problem'])
  assert.deepEqual(verdicts('SERVER_UNREACHABLE'), ['server ok', 'path problem'])
  assert.deepEqual(verdicts('SERVER_NOT_FOUND'), ['server problem'])
  assert.deepEqual(verdicts('WRONG_KEY'), ['server problem'])
  assert.deepEqual(verdicts('DHT_UNREACHABLE'), ['server problem'])
})

test('a server that says why it does not let us in is no fault of a router', () => {
  for (const code of ['NOT_INVITED', 'INVITE_EXPIRED', 'TOO_MANY_DEVICES', 'PROTOCOL_ERROR']) {
    for (const kind of KINDS) {
      const inTheWay = sideInTheWay(code, kind, true)
      assert.equal(inTheWay, code === 'PROTOCOL_ERROR' ? 'both' : 'there')
      const checks = checksOf(failed(code, { inTheWay }), kind)
      assert.deepEqual(
        checks.map(({ name, verdict }) => `${name} ${verdict}`),
        ['server problem']
      )
      assert.doesNotMatch(checks[0]!.advice!, /relay|firewall|router/, code)
    }
  }
})

test('from where on a connection is no good', () => {
  const quality = (more: Partial<ServerFinding>) =>
    checksOf(server(more)).find(({ name }) => name === 'quality')!.verdict
  assert.equal(quality({}), 'ok')
  assert.equal(quality({ rtt: 200 }), 'note')
  assert.equal(quality({ jitter: 40 }), 'note')
  assert.equal(quality({ loss: 1 / 30 }), 'note')
  assert.equal(quality({ loss: 0.1 }), 'problem')
  assert.equal(quality({ rtt: null, jitter: null, loss: 1 }), 'problem')
})
