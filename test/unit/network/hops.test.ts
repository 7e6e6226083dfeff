import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beyondOf, beyondRouter, pingArguments, routerIn } from '../../../src/network/hops.js'

const TARGET = '203.0.113.5'
const OWN = ['127.0.0.1', '192.168.1.20']

/** What ping says on each system, and the router in it. */
const SAID: readonly (readonly [string, string, string | null])[] = [
  [
    'Linux',
    `PING ${TARGET} (${TARGET}) 56(84) bytes of data.
From 192.168.1.1 icmp_seq=1 Time to live exceeded

--- ${TARGET} ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms`,
    '192.168.1.1'
  ],
  [
    'Linux with names',
    `PING ${TARGET} (${TARGET}) 56(84) bytes of data.\nFrom router.lan (192.168.1.1) icmp_seq=1 Time to live exceeded`,
    '192.168.1.1'
  ],
  [
    'macOS',
    `PING ${TARGET} (${TARGET}): 56 data bytes\n36 bytes from 100.64.0.1: Time to live exceeded\nVr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst
 4  5  00 5400 1c0e   0 0000  01  01 b1a2 192.168.1.20  ${TARGET}`,
    '100.64.0.1'
  ],
  [
    'Windows, in German',
    `\r\nPing wird ausgef\u00fchrt f\u00fcr ${TARGET} mit 32 Bytes Daten:\r\nAntwort von 10.20.0.1: Die G\u00fcltigkeitsdauer wurde bei der \u00dcbertragung \u00fcberschritten.\r\n\r\nPing-Statistik f\u00fcr ${TARGET}:`,
    '10.20.0.1'
  ],
  [
    'no answer',
    `PING ${TARGET} (${TARGET}) 56(84) bytes of data.\n\n--- ${TARGET} ping statistics ---`,
    null
  ],
  ['the target itself', `64 bytes from ${TARGET}: icmp_seq=1 ttl=64 time=0.07 ms`, null],
  ['no route', 'From 192.168.1.20 icmp_seq=1 Destination Host Unreachable', null],
  ['no such program', '', null],
  ['something like an address', 'ping 1.2.3.400, version 2.0.0.1.5', null]
]

for (const [what, said, router] of SAID) {
  test(`ping: ${what}`, () => assert.equal(routerIn(said, [TARGET, ...OWN]), router))
}

test('ping gets the distance in the flags of each system', () => {
  assert.match(pingArguments('win32', TARGET, 3).join(' '), /-i 3 203/)
  assert.match(pingArguments('linux', TARGET, 3).join(' '), /-t 3 203/)
  assert.match(pingArguments('darwin', TARGET, 3).join(' '), /-m 3 203/)
})

const WAYS: readonly (readonly [string, string | null, (string | null)[], ReturnType<typeof beyondOf>])[] = [
  ['a home', '192.168.1.20', ['192.168.1.1', '203.0.113.1', '198.51.100.1'], 'public'],
  ['a carrier behind the router', '192.168.1.20', ['192.168.1.1', '100.64.0.1', '198.51.100.1'], 'carrier'],
  ['a carrier after a silent router', '192.168.1.20', ['192.168.1.1', null, '100.127.255.254'], 'carrier'],
  ['a phone', '100.80.1.2', [null, null], 'carrier'],
  ['IPv4 over IPv6', '192.168.1.20', ['192.168.1.1', '192.0.0.1'], 'carrier'],
  ['a second router', '192.168.7.2', ['192.168.7.1', '192.168.1.1', '203.0.113.1'], 'private'],
  ['a second router behind a silent one', '10.0.0.2', [null, '192.168.1.1', '203.0.113.1'], 'private'],
  ['a router with a public address inside', '192.168.1.20', ['203.0.113.1', null], 'public'],
  ['a router that is alone in saying something', '192.168.1.20', ['192.168.1.1', null, '203.0.113.1'], null],
  ['silent ones', '192.168.1.20', [null, null, null], null],
  ['none', null, [], null]
]

for (const [what, source, routers, expected] of WAYS) {
  test(`the way out: ${what}`, () => assert.equal(beyondOf({ source, routers }), expected))
}

test('a router that tells its outer address tells what is beyond it', () => {
  assert.equal(beyondRouter('203.0.113.9'), 'public')
  assert.equal(beyondRouter('192.168.1.2'), 'private')
  assert.equal(beyondRouter('100.64.3.4'), 'carrier')
  assert.equal(beyondRouter('100.128.3.4'), 'public')
})
