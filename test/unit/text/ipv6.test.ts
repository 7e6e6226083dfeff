import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { ipv6Bytes, ipv6Text } from '../../../src/text/ipv6.js'

for (const [text, hex] of [
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['2a00:1::7', '2a000001000000000000000000000007'],
  ['1::', '00010000000000000000000000000000'],
  ['fd00::1:2:3:4:5', 'fd000000000000010002000300040005'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201']
] as const) {
  test(`${text} and its bytes`, () => {
    assert.equal(b4a.toString(ipv6Bytes(text), 'hex'), hex)
    assert.equal(ipv6Text(b4a.from(hex, 'hex')), text)
  })
}

test('what is no address, or has a zone, is refused', () => {
  for (const text of ['', '192.0.2.1', 'fe80::1%eth0', 'a name', '1:2', '::1::']) {
    assert.throws(() => ipv6Bytes(text), TypeError, text)
  }
})
