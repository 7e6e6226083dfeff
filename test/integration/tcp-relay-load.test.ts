/** What a relay by TCP carries, and what it costs: whole processes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import UDX from 'udx-native'
import WebSocket from 'ws'
import type { Site } from '../../scripts/bench/contenders.js'
import { endFile, runEnd } from '../../scripts/bench/latency.js'
import { Channel } from '../../src/network/tcp-relay/channel.js'
import * as frames from '../../src/network/tcp-relay/frames.js'
import { systemClock } from '../../src/util/clock.js'
import { until } from '../support/deadline.js'
import { isLinux, peakResidentBytes } from '../support/machine.js'
import { Process } from '../support/process.js'
import { udxPacket } from '../support/relay-hand.js'
import { freePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { LOOPBACK } from '../support/tcp-relay.js'

const RATE_MBIT = 100
const TRANSFER_MS = 9000

/** Nobody answers there: what has no other DHT node is without UDP. */
const NO_DHT = '127.0.0.1:9'

staged(
  `a relay by TCP carries ${RATE_MBIT} Mbit/s on loopback, either way`,
  async stage => {
    const end = new Process(process.execPath, [endFile, 'answer', LOOPBACK])
    stage.defer(() => end.stop())
    const [, port = ''] = await end.says(/port (\d+)/)
    const tcp = await freePort()
    const address = `ws://${LOOPBACK}:${tcp}/hn`
    const server = await stage.run(
      [
        ...['server', '-p', port, '--protocol', 'tcp', '-s', newSecret(), '--no-lan'],
        ...['--tcp', `${tcp}`, '--tcp-host', LOOPBACK, '--tcp-address', address]
      ],
      'server'
    )
    const { publicKey } = await server.event('ready')
    const client = stage.start(
      [
        ...['client', '-k', publicKey, '-r', port, '-l', '0', '--protocol', 'tcp', '--no-lan', '--json'],
        ...['--relay', address, '--bootstrap', NO_DHT]
      ],
      { name: 'client' }
    )
    assert.equal((await client.event('connected')).path, 'relayed (tcp)')
    const local = await client.localPort('tcp', Number(port))
    const site = { atClient: [] } as unknown as Site
    for (const [way, name] of [
      ['draw', 'download'],
      ['pour', 'upload']
    ] as const) {
      const [rate = 0] = await runEnd(site, [way, LOOPBACK, `${local}`, '1', `${TRANSFER_MS}`])
      stage.t.diagnostic(`${name}: ${rate.toFixed(1)} Mbit/s`)
      assert.ok(rate >= RATE_MBIT, `${name}: ${rate} Mbit/s`)
    }
  },
  { timeout: 90_000 }
)

const CLIENTS = 64
const STALLED = 10
const MEMORY_BYTES = 150_000_000
const LOAD_MS = 10_000

staged(
  `a relay with ${CLIENTS} clients of which ${STALLED} stop reading stays below ${MEMORY_BYTES / 1e6} MB`,
  async stage => {
    const tcp = await freePort()
    const relay = await stage.run(['relay', '--tcp', `${tcp}`, '--tcp-host', LOOPBACK], 'relay')
    await relay.event('ready')
    const before = peakResidentBytes(relay.pid)
    const clients: Client[] = []
    for (let i = 0; i < CLIENTS; i++) clients.push(await Client.open(stage, tcp, i))
    for (const { ws } of clients.slice(0, STALLED)) ws.pause()
    const reading = clients.slice(STALLED)

    // Packets come for all of them, twice as many as their connections and the relay's own rate let through.
    const socket = new UDX().createSocket()
    stage.defer(() => socket.close())
    const packet = udxPacket(1400)
    const from = performance.now()
    let sent = 0
    while (performance.now() - from < LOAD_MS) {
      for (const { port } of clients) socket.trySend(packet, port, LOOPBACK)
      sent += clients.length
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    const got = reading.reduce((sum, { packets }) => sum + packets, 0)
    const peak = peakResidentBytes(relay.pid)
    const mb = (bytes: number): string => (bytes / 1e6).toFixed(1)
    stage.t.diagnostic(
      `${mb(before)} MB before, ${mb(peak)} MB at the peak; ${sent} packets of ${packet.byteLength} bytes sent, ${got} have arrived`
    )
    assert.ok(peak < MEMORY_BYTES, `${mb(peak)} MB`)
    for (const { packets } of reading) assert.ok(packets > 0, 'every client that reads has its packets')
  },
  { timeout: 60_000, skip: isLinux ? false : 'memory is read from /proc' }
)

/** A client that says what has arrived, as long as it reads. */
class Client {
  port = 0
  packets = 0

  private constructor(readonly ws: WebSocket) {}

  static async open(stage: Stage, port: number, i: number): Promise<Client> {
    const ws = new WebSocket(`ws://${LOOPBACK}:${port}/`, {
      // As from a reverse proxy: each has an address of its own.
      headers: { 'x-forwarded-for': `203.0.113.${i}` },
      perMessageDeflate: false
    })
    stage.defer(async () => {
      ws.terminate()
      if (ws.readyState !== WebSocket.CLOSED) await once(ws, 'close')
    })
    await once(ws, 'open')
    const client = new Client(ws)
    const channel = new Channel(ws, systemClock, {
      welcome: () => channel.send(frames.open(1)),
      bound: (_, bound) => {
        client.port = bound
      },
      packet: () => {
        client.packets++
      },
      closed: () => {}
    })
    channel.send(frames.hello({ lowest: 1, highest: 1, session: null, token: '' }))
    await until(5000, 'its port', () => client.port > 0)
    return client
  }
}
