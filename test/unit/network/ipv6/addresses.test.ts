import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseAddresses, isGlobal, mayProbe } from '../../../../src/network/ipv6/addresses.js'

const OWN = '2a00:1:2:3::5'

for (const host of ['2a00:11::1', '2001:470::1', '3fff:ffff::1']) {
  test(`${host} is sent to`, () => {
    assert.ok(mayProbe(OWN, { host, port: 40_000 }))
  })
}

for (const [what, host] of [
  ['loopback', '::1'],
  ['any', '::'],
  ['link-local', 'fe80::1'],
  ['multicast', 'ff02::1'],
  ['multicast of the internet', 'ff0e::1'],
  ['IPv4 in IPv6', '::ffff:203.0.113.7'],
  ['translated IPv4', '64:ff9b::cb00:7107'],
  ['Teredo', '2001:0:1::1'],
  ['6to4', '2002:cb00:7107::1'],
  ['documentation', '2001:db8::1'],
  ['a private network', 'fd00:1:2:3::9'],
  ['reserved', '4000::1']
] as const) {
  test(`${what}, ${host}, is not sent to`, () => {
    assert.ok(!mayProbe(OWN, { host, port: 40_000 }))
  })
}

test('ports of system services are not sent to', () => {
  for (const port of [1, 53, 123, 443, 1023]) assert.ok(!mayProbe(OWN, { host: '2a00::1', port }), `${port}`)
  assert.ok(mayProbe(OWN, { host: '2a00::1', port: 1024 }))
})

test('in a private network its own addresses are sent to, from there only', () => {
  const remote = { host: 'fd00:1:2:3::9', port: 40_000 }
  assert.ok(mayProbe('fd00:1:2:3::5', remote))
  assert.ok(!mayProbe('fd00:1:2:4::5', remote))
  assert.ok(!mayProbe('fd00:1:2:3::5', { host: '2a00::1', port: 40_000 }))
})

test('a few addresses stand for all: the one that packets leave from, then one of each network, global ones first', () => {
  const hosts = ['fd00::1', '2a00:1::1', '2a00:1::2', '2a00:1::3', '2a00:2::1', '2a00:2::2', 'fd00::2']
  assert.deepEqual(chooseAddresses(hosts, '2a00:1::2', 4), ['2a00:1::2', '2a00:2::1', 'fd00::1', '2a00:1::1'])
  assert.deepEqual(chooseAddresses(hosts, null, 2), ['2a00:1::1', '2a00:2::1'])
  assert.deepEqual(chooseAddresses([], null, 4), [])
  assert.ok(hosts.filter(isGlobal).length === 5)
})
