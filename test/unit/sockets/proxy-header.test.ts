import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyHeader } from '../../../src/sockets/proxy-header.js'

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')
const SIGNATURE = '0d0a0d0a 000d0a51 5549540a'

test('over IPv4: signature, version and command, family, length, addresses, ports', () => {
  const header = proxyHeader({ address: '127.243.91.16', port: 54_321 }, { address: '127.0.0.1', port: 80 })
  assert.deepEqual(Buffer.from(header), hex(`${SIGNATURE} 21 11 000c 7ff35b10 7f000001 d431 0050`))
})

test('over IPv6 a player address is mapped', () => {
  const header = proxyHeader({ address: '127.1.0.1', port: 1 }, { address: 'fd00::1:20', port: 65_535 })
  assert.deepEqual(
    Buffer.from(header),
    hex(`${SIGNATURE} 21 21 0024
      00000000 00000000 0000ffff 7f010001
      fd000000 00000000 00000000 00010020
      0001 ffff`)
  )
})

test('every way to write an IPv6 address', () => {
  const target = (address: string) =>
    Buffer.from(proxyHeader({ address: '127.1.0.1', port: 1 }, { address, port: 1 })).toString('hex', 32, 48)
  for (const [address, expected] of [
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['1::', `0001${'0'.repeat(28)}`],
    ['fe80::1%eth0', `fe80${'0'.repeat(27)}1`],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['::ffff:10.1.2.3', '00000000000000000000ffff0a010203']
  ]) {
    assert.equal(target(address!), expected, address)
  }
})
