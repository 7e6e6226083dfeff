import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HyperNat } from '../../../../src/hyper-nat.js'
import { Relay } from '../../../../src/network/relay.js'

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
