import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noDatagrams } from '../../../src/datagrams/datagrams.js'
import { metricsText } from '../../../src/metrics/text.js'
import { emptyTally } from '../../../src/session/traffic.js'
import type { ClientStatus, ServerStatus, SessionStatus, Status } from '../../../src/status.js'
import { parseMetrics, type Sample, seriesValue } from '../../support/prometheus.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const SHORT = 'EPkmaN7v'

function session(peer: string, rtt: number | null, more: Partial<SessionStatus> = {}): SessionStatus {
  return {
    peer,
    name: `guest ${peer}`,
    host: 'host',
    state: 'up',
    path: 'direct',
    since: 1000,
    quality: { rtt, jitter: 1, loss: 0.25 },
    total: emptyTally(),
    maps: [],
    datagrams: noDatagrams(),
    resumptions: 0,
    ...more
  }
}

function server(sessions: SessionStatus[]): ServerStatus {
  const datagrams = noDatagrams()
  datagrams.received = 7
  datagrams.dropped.forged = 2
  return {
    publicKey: KEY,
    private: false,
    announced: 'announced',
    maps: [
      {
        proto: 'udp',
        port: 7,
        host: 'nas',
        target: 'unknown',
        flows: 3,
        ...emptyTally(),
        bytesIn: 10,
        datagramsOut: 4
      },
      {
        proto: 'tcpudp',
        port: 8,
        host: 'nas',
        target: 'answers',
        flows: 0,
        ...emptyTally(),
        retransmissions: 5
      }
    ],
    sessions,
    overall: { datagrams, resumptions: 6 },
    admitted: 9
  }
}

function client(bytesIn: number): ClientStatus {
  const map = { proto: 'tcp' as const, port: 80, localHost: '127.0.0.1', flows: 1, ...emptyTally(), bytesIn }
  return {
    publicKey: KEY,
    // Two local ports lead to one port there: both show what went through both.
    maps: [
      { ...map, localPort: 8080 },
      { ...map, localPort: 8081 }
    ],
    sessions: [],
    overall: { datagrams: noDatagrams(), resumptions: 0 },
    disconnected: null,
    dials: 3,
    failedDials: 1,
    waiting: 2,
    droppedWaiting: 8
  }
}

async function read(servers: ServerStatus[], clients: ClientStatus[] = []): Promise<Sample[]> {
  const status: Status = {
    at: 5000,
    since: 2000,
    version: '1.2.3"\\\n',
    servers,
    clients,
    network: {
      nodes: 12,
      bootstrapped: true,
      port: 1,
      publicAddress: null,
      publicPort: null,
      nat: 'cone',
      tcpPortMapping: { state: 'off' },
      tcpRelay: null,
      portMapping: { state: 'mapped', protocol: 'upnp', externalAddress: '192.0.2.1', externalPort: 5 }
    }
  }
  return parseMetrics(metricsText(status, { cpuSeconds: 1.5, residentBytes: 1000 }))
}

test('a snapshot as Prometheus text', async () => {
  const samples = await read([server([session('a', 40), session('b', 10), session('c', 90)])])
  const udp = { role: 'server', server: SHORT, proto: 'udp', port: '7' }
  const side = { role: 'server', server: SHORT }
  for (const [name, labels, value] of [
    ['hyper_nat_flows', udp, 3],
    ['hyper_nat_bytes_total', { ...udp, direction: 'in' }, 10],
    ['hyper_nat_datagrams_total', { ...udp, direction: 'out' }, 4],
    ['hyper_nat_retransmissions_total', { ...side, proto: 'tcpudp', port: '8' }, 5],
    ['hyper_nat_sealed_datagrams_total', { ...side, direction: 'in' }, 7],
    ['hyper_nat_datagrams_dropped_total', { ...side, reason: 'forged' }, 2],
    ['hyper_nat_datagrams_dropped_total', { ...side, reason: 'choked' }, 0],
    ['hyper_nat_session_resumptions_total', side, 6],
    ['hyper_nat_sessions_admitted_total', { server: SHORT }, 9],
    ['hyper_nat_session_round_trip_seconds', { ...side, of: 'least' }, 0.01],
    ['hyper_nat_session_round_trip_seconds', { ...side, of: 'median' }, 0.04],
    ['hyper_nat_session_round_trip_seconds', { ...side, of: 'most' }, 0.09],
    ['hyper_nat_session_loss_ratio', { ...side, of: 'most' }, 0.25],
    ['hyper_nat_sessions', { ...side, path: 'direct' }, 3],
    ['hyper_nat_sessions', { ...side, path: 'lost' }, 0],
    ['hyper_nat_dht_nodes', {}, 12],
    ['hyper_nat_port_mapped', {}, 1],
    ['hyper_nat_start_time_seconds', {}, 2],
    ['hyper_nat_process_cpu_seconds_total', {}, 1.5]
  ] as const) {
    assert.equal(seriesValue(samples, name, labels), value, `${name} ${JSON.stringify(labels)}`)
  }
})

test('there are as many series for many guests as for one, and none of them names a guest', async () => {
  const many = Array.from({ length: 200 }, (_, i) => session(`peer ${i}`, i))
  const names = (samples: Sample[]): string[] =>
    samples.map(({ name, labels }) => name + JSON.stringify(labels))
  const [one, all] = [names(await read([server([session('a', 1)])])), names(await read([server(many)]))]
  assert.deepEqual(all, one)
  assert.ok(!all.some(series => /peer|guest|host/.test(series)))
  assert.ok(!all.some(series => series.includes(KEY)), 'the whole key lets people in')
})

test('a session without a connection, or not measured yet, has no round trip', async () => {
  const lost = session('a', 40, { state: 'lost', path: null })
  const samples = await read([server([lost, session('b', null, { path: 'relayed' })])])
  assert.ok(!samples.some(({ name }) => name === 'hyper_nat_session_round_trip_seconds'))
  assert.equal(seriesValue(samples, 'hyper_nat_sessions', { path: 'lost' }), 1)
  assert.equal(seriesValue(samples, 'hyper_nat_sessions', { path: 'relayed' }), 1)
})

test('clients of one server add up, local ports that lead to the same do not', async () => {
  const samples = await read([], [client(100), client(20)])
  const labels = { role: 'client', server: SHORT, proto: 'tcp', port: '80' }
  assert.equal(seriesValue(samples, 'hyper_nat_bytes_total', { ...labels, direction: 'in' }), 120)
  assert.equal(seriesValue(samples, 'hyper_nat_flows', labels), 2)
  assert.equal(seriesValue(samples, 'hyper_nat_dials_total', { server: SHORT }), 6)
  assert.equal(seriesValue(samples, 'hyper_nat_dials_failed_total', { server: SHORT }), 2)
  const dropped = { role: 'client', reason: 'waiting' }
  assert.equal(seriesValue(samples, 'hyper_nat_datagrams_dropped_total', dropped), 16)
  assert.equal(seriesValue(samples, 'hyper_nat_connections_waiting', { server: SHORT }), 4)
})
