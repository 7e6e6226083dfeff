import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HyperNat } from '../../../../src/hyper-nat.js'
import { Relay } from '../../../../src/network/relay.js'
import { distinctRelays } from '../../../../src/network/tcp-relay/relay-address.js'

for (const [name, tcp, message] of [
  [
    'no address',
    { port: 443, address: 'relay.example' },
    /^tcp\.address is "relay\.example", which is no address/
  ],
  ['another scheme', { port: 443, address: 'https://relay.example' }, /^tcp\.address is "https:/],
  ['no port', { port: 0 }, /^tcp\.port is 0; give a whole number from 1 to 65535\.$/]
] as const) {
  test(`a program that gives ${name} for the relay by TCP gets an error`, () => {
    assert.throws(() => new HyperNat({ tcp }), { code: 'BAD_OPTIONS', message })
    assert.throws(() => new Relay({ secret: 'a secret of some length', tcp }), {
      code: 'BAD_OPTIONS',
      message
    })
  })
}

test('a relay that is named several times counts once, as it was named first, and one with another token is another', () => {
  const names = [
    'wss://relay.example/path',
    'WSS://RELAY.example:443/path',
    'wss://relay.example/path#',
    'wss://relay.example/path#one',
    'wss://relay.example/path#%6Fne',
    'wss://relay.example/Path'
  ]
  assert.deepEqual(
    distinctRelays(names).map(({ text }) => text),
    [names[0], names[3], names[5]]
  )
})
