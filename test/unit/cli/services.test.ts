import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootstrap } from '../../../src/cli/bootstrap.js'
import { TextOutput } from '../../../src/cli/output.js'
import type { ServiceEvent } from '../../../src/events.js'
import { Memory, runOnce } from './memory.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const SECRET = 'qm4jzr8tk3ow9yxa5hbdnc6e'

/** Command lines with a mistake, and what is said of it. */
const REFUSED: readonly (readonly [args: string[], expected: RegExp])[] = [
  [['bootstrap', '--nodes', '0'], /--nodes: is "0"; give a whole number from 1 to 64/],
  [['bootstrap', '--port', '70000'], /--port: is "70000"/],
  [['bootstrap', '--port', '65533'], /--port: is "65533"; give a whole number from 1 to 65532/],
  [
    ['bootstrap', '--port', '65535', '--nodes', '2'],
    /--port: is "65535"; give a whole number from 1 to 65534/
  ],
  [['bootstrap', '--host', ','], /--host: is empty/],
  [['bootstrap', '--host', 'example.org'], /--host: has "example.org"; give the IPv4 address/],
  [['bootstrap', '--bootstrap', 'nowhere'], /--bootstrap: has "nowhere", which is not host:port/],
  [['relay', '-s', ''], /-s: is empty/],
  [['relay', '-s', SECRET, '--sessions', '1.5'], /--sessions: is "1.5"; give a whole number/],
  [['relay', '-s', SECRET, '--session-rate', 'fast'], /--session-rate: is "fast"; give a number/],
  [['relay', '-s', SECRET, '--allow', 'abc'], /--allow: has 3 characters/],
  [['server', '-p', '1/udp', '-s', SECRET, '--relay', 'abc'], /--relay: has 3 characters/]
]

for (const [args, expected] of REFUSED) {
  test(`hyper-nat ${args.join(' ')} is refused`, async () => {
    const { code, err } = await runOnce(args)
    assert.equal(code, 2)
    assert.match(err, expected)
  })
}

test('bootstrap: the last port there is can be used, and one comma too many does no harm', async () => {
  const args = { port: '65535', nodes: '1', host: ['127.0.0.1,'] }
  assert.ok('service' in (await bootstrap.job(args, new Memory())))
})

test('relays: the flag, else the environment, else the file', async () => {
  const relays = async (args: string[], env = {}) =>
    (await runOnce(['server', '-p', '1/udp', '-s', SECRET, ...args], { env })).options?.network.relay?.length
  assert.equal(await relays([]), undefined)
  assert.equal(await relays(['--relay', KEY]), 1)
  assert.equal(await relays(['--relay', `${KEY},${KEY}`]), 2)
  assert.equal(await relays([], { HYPER_NAT_RELAY: KEY }), 1)
})

function said(event: ServiceEvent): string {
  let out = ''
  const streams = { stdout: (text: string) => void (out += text), stderr: () => {} }
  new TextOutput(streams, false).event(event)
  return out
}

test('bootstrap nodes say how others use them', () => {
  const out = said({ event: 'ready', mode: 'bootstrap', nodes: ['203.0.113.7:49737', '203.0.113.7:49738'] })
  assert.match(out, /^ {2}--bootstrap 203.0.113.7:49737$/m)
  assert.match(out, /^ {2}"network": \{ "bootstrap": \["203.0.113.7:49737"\] \}$/m)
})

test('a server leaves the router, or IPv6, alone when asked to', async () => {
  const portMapping = async (...args: string[]) =>
    (await runOnce(['server', '-p', '1/udp', '-s', SECRET, ...args])).options?.network.portMapping
  assert.equal(await portMapping(), undefined)
  assert.equal(await portMapping('--no-port-mapping'), false)
  const ipv6 = async (...args: string[]) =>
    (await runOnce(['server', '-p', '1/udp', '-s', SECRET, ...args])).options?.network.ipv6
  assert.equal(await ipv6(), undefined)
  assert.equal(await ipv6('--no-ipv6'), false)
})

test('a relay says how others use it', () => {
  const out = said({ event: 'ready', mode: 'relay', publicKey: KEY })
  assert.match(out, new RegExp(`^ {2}--relay ${KEY}$`, 'm'))
  assert.match(out, new RegExp(`^ {2}"network": \\{ "relay": \\["${KEY}"\\] \\}$`, 'm'))
})
