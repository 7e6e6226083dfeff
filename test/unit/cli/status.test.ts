import assert from 'node:assert/strict'
import { test } from 'node:test'
import { journalText } from '../../../src/cli/logs.js'
import { listText, statusText, timeText } from '../../../src/cli/status-text.js'
import type { DaemonStatus } from '../../../src/control/wire.js'
import { noDatagrams } from '../../../src/datagrams/datagrams.js'
import { emptyTally } from '../../../src/session/traffic.js'
import { type DisconnectedStatus, type SessionStatus, withRates } from '../../../src/status.js'
import { bytesText } from '../../../src/text/bytes.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const PEER = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'

const session: SessionStatus = {
  peer: PEER,
  name: 'Anna',
  host: 'abc',
  state: 'up',
  path: 'direct',
  since: 60_000,
  quality: { rtt: 23.44, jitter: 1.26, loss: 0.031 },
  total: { ...emptyTally(), bytesIn: 1_234_567, bytesOut: 999 },
  maps: [],
  datagrams: noDatagrams(),
  resumptions: 0
}

const seen: SessionStatus = { ...session, name: 'Ben', address: '127.243.91.16' }

const status: DaemonStatus = {
  at: 3_720_000,
  since: 0,
  version: '2.0.0',
  pid: 42,
  file: '/home/anna/options.json',
  servers: [
    {
      publicKey: KEY,
      private: true,
      announced: 'announced',
      maps: [
        {
          proto: 'tcp',
          port: 25565,
          host: '127.0.0.1',
          target: 'closed',
          flows: 2,
          ...emptyTally(),
          bytesIn: 1_234_567
        }
      ],
      sessions: [session],
      overall: { datagrams: noDatagrams(), resumptions: 0 },
      admitted: 1
    }
  ],
  clients: [
    {
      publicKey: PEER,
      maps: [{ proto: 'udp', port: 53, localHost: '::1', localPort: 5353, flows: 0, ...emptyTally() }],
      sessions: [],
      overall: { datagrams: noDatagrams(), resumptions: 0 },
      disconnected: {
        since: 3_600_000,
        cause: { code: 'SERVER_NOT_RUNNING', message: 'Nobody answers there.' },
        nextDial: 3_722_500
      },
      dials: 7,
      failedDials: 7,
      waiting: 1,
      droppedWaiting: 0
    }
  ],
  network: {
    nodes: 84,
    bootstrapped: true,
    port: 49737,
    publicAddress: '203.0.113.7',
    publicPort: null,
    nat: 'symmetric',
    tcpRelay: null,
    portMapping: { state: 'none', reason: 'no router' },
    tcpPortMapping: { state: 'off' }
  }
}

test('bytes and times, as people read them', () => {
  const bytes = [0, 999, 1000, 1234, 99_400, 99_500, 999_499, 999_500, 1_234_567, 5e12, 5e15]
  assert.deepEqual(bytes.map(bytesText), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.2 kB',
    '99.4 kB',
    '100 kB',
    '999 kB',
    '1.0 MB',
    '1.2 MB',
    '5.0 TB',
    '5000 TB'
  ])
  const times = [-5, 0, 59_999, 60_000, 3_599_000, 3_600_000, 86_399_999, 86_400_000, 90_000_000]
  assert.deepEqual(times.map(timeText), [
    '0 s',
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h 0 min',
    '23 h 59 min',
    '1 d 0 h',
    '1 d 1 h'
  ])
})

test('a daemon at one look', () => {
  assert.equal(
    statusText(withRates(status, { ...status, at: 3_710_000 })),
    `hyper-nat 2.0.0, process 42, /home/anna/options.json, for 1 h 2 min
Network: 84 DHT nodes, seen at 203.0.113.7, NAT symmetric, port mapping: none

Sharing under ${KEY}, with invited guests only
  PORT       OF         FLOWS  IN      OUT  PROGRAM
  tcp 25565  127.0.0.1  2      1.2 MB  0 B  not running
  GUEST   PATH    FOR        ROUND TRIP  JITTER  LOSS  IN      OUT    IN/S   OUT/S
  "Anna"  direct  1 h 1 min  23.4 ms     1.3 ms  3 %   1.2 MB  999 B  0 B/s  0 B/s

Ports of ${PEER}
  HERE        THERE   FLOWS  IN   OUT
  [::1]:5353  udp 53  0      0 B  0 B
  not connected for 2 min, dials again in 2 s
  SERVER_NOT_RUNNING: Nobody answers there.
  1 connection waiting for it
`
  )
})

test('a server that was there: its session waits, too', () => {
  const [client] = status.clients
  const text = (disconnected: DisconnectedStatus | null) =>
    statusText({
      ...status,
      clients: [{ ...client!, sessions: [{ ...session, state: 'lost' }], disconnected }]
    })
  const dialling = { since: 3_719_000, cause: null, nextDial: null }
  assert.match(
    text(dialling),
    /\n {2}abc {3}lost .*\n {2}not connected for 1 s, dials now\n {2}1 connection waiting for it\n$/
  )
  assert.doesNotMatch(text(null), /not connected|waiting/)
})

test('who else is connected to a server, where it says so', () => {
  const [client] = status.clients
  const roster = [{ name: 'Ben', rtt: 23 }, { rtt: null }]
  const sessions = [{ ...session, roster }]
  const text = statusText({ ...status, clients: [{ ...client!, sessions, disconnected: null }] })
  assert.match(text, /\n {2}also here: "Ben" \(23 ms\), a guest\n$/)
})

test('several daemons, and how to choose one', () => {
  assert.equal(
    listText([status, { ...status, pid: 4711, file: null }]),
    `PROCESS  FOR        SESSIONS  OPTIONS FILE
42       1 h 2 min  1         /home/anna/options.json
4711     1 h 2 min  1         (none)
Choose one with --pid or -c.
`
  )
})

test('rates are of the same session only, and never below 0', () => {
  const rates = (before: SessionStatus) => {
    const { servers } = withRates(status, {
      ...status,
      at: status.at - 2000,
      servers: [{ ...status.servers[0]!, sessions: [before] }]
    })
    return servers[0]!.sessions[0]!.rates
  }
  const then = { ...session, total: { ...session.total, bytesIn: 1_000_000, bytesOut: 5000 } }
  assert.deepEqual(rates(then), { bytesIn: 117_283.5, bytesOut: 0 })
  assert.deepEqual(rates({ ...then, since: 1 }), { bytesIn: 0, bytesOut: 0 })
})

test('what happened, with its time', async () => {
  const text = await journalText()
  const time = '2026-01-02T03:04:05.678Z'
  const peer = { publicKey: KEY, peer: PEER, host: 'abc' }
  assert.equal(
    text({ time, event: 'connected', ...peer, name: 'Anna', path: 'direct' }),
    '03:04:05 Guest "Anna" connected (direct)\n'
  )
  assert.equal(text({ time, event: 'warning', code: 'X', message: 'mind' }), '03:04:05 warning X: mind\n')
  assert.equal(text({ time, level: 'info', msg: 'announced' }), '03:04:05 info  announced\n')
  // Of a newer daemon.
  assert.equal(text({ time, event: 'later' }), '03:04:05 later\n')
})

test('player addresses have a column where there are some', () => {
  const [server] = status.servers
  assert.doesNotMatch(statusText(status), /ADDRESS/)
  const text = statusText({ ...status, servers: [{ ...server!, sessions: [session, seen] }] })
  assert.match(text, /OUT\/S {2}ADDRESS IN GAME\n {2}"Anna".* -\n {2}"Ben".* 127\.243\.91\.16\n/)
})
