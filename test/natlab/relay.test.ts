import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeKey, encodeKey } from '../../src/identity/encoding.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { until } from '../support/deadline.js'
import { runProgram } from '../support/process.js'
import { newSecret } from '../support/stage.js'
import { noWire, Wire } from '../support/wire.js'
import { Pair, type PairOptions, PORTS } from './pair.js'
import { lab, side, skip, useLab } from './side.js'

useLab()

/** Two homes that only a relay can join. */
async function withPair(options: PairOptions, body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = new Pair(lab, await lab.home('symmetric'), await lab.home('symmetric'), options)
  try {
    await body(pair)
  } finally {
    await pair.close()
  }
}

test('a relay for some serves those, and tells others so', { skip, timeout: 60_000 }, async () => {
  const secret = newSecret()
  const allowed = encodeKey(keyPairOf(new Secret(secret)).publicKey)
  const { key } = await side.anotherRelay(['--allow', allowed])
  await withPair({ server: ['--relay', key], secret }, async pair => {
    assert.equal((await pair.meet()).path, 'relayed')
    await pair.check()
  })
  // The guest's setting is of no use either: the relay knows servers only.
  for (const options of [{ server: ['--relay', key] }, { client: ['--relay', key] }]) {
    await withPair(options, async pair => {
      assert.equal((await pair.meet()).path, 'RELAY_UNREACHABLE', pair.describe())
    })
  }
})

test('a client whose firewall lets it reach the DHT and the relay alone comes through the relay', {
  skip,
  timeout: 90_000
}, async t => {
  // Others reach this server, and send straight to it, which leads nowhere here.
  const homes = [await lab.home('open'), await lab.home('cone')] as const
  await lab.letUdpOnlyTo(homes[1], [...lab.dhtHosts, lab.relayHost])
  const pair = new Pair(lab, ...homes, {
    server: ['--relay', side.relayKey],
    client: ['--relay', side.relayKey]
  })
  try {
    const started = performance.now()
    await pair.meet()
    const { path } = await pair.client.event('connected', { ms: 30_000 })
    assert.equal(path, 'relayed', pair.describe())
    t.diagnostic(`after ${Math.round(performance.now() - started)} ms`)
    await pair.check()
  } finally {
    await pair.close()
  }
})

test('a relay holds a session to its rate, and gives it that', { skip, timeout: 60_000 }, async t => {
  const { key } = await side.anotherRelay(['--session-rate', '8'])
  await withPair({ server: ['--relay', key] }, async pair => {
    assert.equal((await pair.meet()).path, 'relayed')
    const bytes = 750_000
    const started = performance.now()
    // There and back, once by tcp and once by tcpudp: 3 MB at 1 MB/s.
    await pair.check(bytes)
    const seconds = (performance.now() - started) / 1000
    t.diagnostic(`${((4 * bytes * 8) / seconds / 1e6).toFixed(1)} Mbit/s`)
    assert.ok(seconds > 2.5, `${seconds} s`)
    assert.ok(seconds < 5, `${seconds} s`)
  })
})

test('a full relay takes no more sessions', { skip, timeout: 60_000 }, async () => {
  const { key } = await side.anotherRelay(['--sessions', '1'])
  await withPair({ server: ['--relay', key] }, async first => {
    assert.equal((await first.meet()).path, 'relayed')
    await withPair({ server: ['--relay', key] }, async second => {
      assert.notEqual((await second.meet()).path, 'relayed')
    })
    await first.check()
  })
})

test('when a relay is stopped both ends know at once, and use the next one', {
  skip,
  timeout: 60_000
}, async t => {
  const { key, relay } = await side.anotherRelay()
  await withPair({ server: ['--relay', `${key},${side.relayKey}`] }, async pair => {
    assert.equal((await pair.meet()).path, 'relayed')
    const steady = await pair.steadily(async () => {
      const from = pair.client.mark
      await relay.stop()
      await pair.client.event('disconnected', { from, ms: 3000 })
      await pair.client.event('connected', { from, where: e => e.path === 'relayed' })
    })
    t.diagnostic(JSON.stringify(steady))
    await pair.check()
  })
})

/** Sends a text to a TCP port and a UDP port, until both have sent it back. */
const SAY = `
  const [tcp, udp, text] = process.argv.slice(1)
  let left = 2
  const heard = () => --left || process.exit(0)
  const stream = require('node:net').connect(tcp, '127.0.0.1', () => stream.end(text))
  stream.resume().once('end', heard)
  const socket = require('node:dgram').createSocket('udp4')
  socket.once('message', heard)
  setInterval(() => socket.send(text, udp, '127.0.0.1'), 200)
`

test('a relay carries the bytes of a session and sees none of them in clear, nor the shared key', {
  skip: skip || noWire(),
  timeout: 60_000
}, async () => {
  await withPair({ server: ['--relay', side.relayKey] }, async pair => {
    assert.equal((await pair.meet()).path, 'relayed')
    const inside = await Wire.open({ prefix: pair.clientHome.prefix, interface: 'lo' })
    const outside = await Wire.open({ prefix: lab.relay.prefix, interface: 'wan' })
    try {
      const text = 'the quick brown fox'.repeat(2000)
      const ports = [
        await pair.client.localPort('tcp', PORTS.tcp),
        await pair.client.localPort('udp', PORTS.udp)
      ]
      const [command = '', ...prefix] = pair.clientHome.prefix
      const args = [...prefix, process.execPath, '-e', SAY, ...ports.map(String), text]
      const { code, stderr } = await runProgram(command, args, { ms: 20_000 })
      assert.equal(code, 0, stderr)
      // TCP and UDP, there and back.
      const bytes = () => outside.packets.reduce((sum, { payload }) => sum + payload.length, 0)
      await until(5000, 'the capture to have it all', () => bytes() > 4 * text.length)
      assert.ok(
        inside.packets.some(({ payload }) => payload.includes('quick')),
        'the control: it shows where it is plain'
      )
      const { publicKey } = await pair.server.event('ready')
      const key = Buffer.from(decodeKey(publicKey))
      for (const { payload } of outside.packets) {
        assert.ok(!payload.includes('quick') && !payload.includes('brown'), 'plaintext at the relay')
        assert.ok(!payload.includes(key) && !payload.includes(publicKey), 'the shared key at the relay')
      }
    } finally {
      await outside.close()
      await inside.close()
    }
  })
})
