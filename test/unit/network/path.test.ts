import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHomeAddress, reachOf } from '../../../src/network/path.js'

// The first and the last address of each range, and its neighbours on both sides.
const ranges: readonly (readonly [first: string, last: string, outside: readonly string[]])[] = [
  ['10.0.0.0', '10.255.255.255', ['9.255.255.255', '11.0.0.0']],
  ['127.0.0.0', '127.255.255.255', ['126.255.255.255', '128.0.0.0']],
  ['169.254.0.0', '169.254.255.255', ['169.253.255.255', '169.255.0.0']],
  ['172.16.0.0', '172.31.255.255', ['172.15.255.255', '172.32.0.0']],
  ['192.168.0.0', '192.168.255.255', ['192.167.255.255', '192.169.0.0']],
  ['::1', '::1', ['::', '::2']],
  ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ['fbff::', 'fe00::']],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ['fe7f::', 'fec0::']]
]

for (const [first, last, outside] of ranges) {
  test(`addresses from ${first} to ${last} do not leave the house`, () => {
    for (const host of [first, last]) assert.ok(isHomeAddress(host), host)
    for (const host of outside) assert.ok(!isHomeAddress(host), host)
  })
}

test('an address is of this machine, of a private network, or public', () => {
  assert.deepEqual(
    ['127.0.0.1', '::1', '192.168.7.10', 'fd00::7', '203.0.113.7', '2001:db8::7'].map(reachOf),
    ['machine', 'machine', 'private', 'private', 'public', 'public']
  )
})
