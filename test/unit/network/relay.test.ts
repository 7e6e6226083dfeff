import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BootstrapNodes } from '../../../src/network/bootstrap.js'
import { Relay } from '../../../src/network/relay.js'
import { failsWhenClosed } from '../../support/closed-start.js'

// What is no bytes at all ended the process in libsodium.
for (const key of [undefined, null, 5, {}, new Uint8Array(31), 'no key']) {
  test(`a relay that may be used by ${key instanceof Uint8Array ? 'too few bytes' : JSON.stringify(key)}`, () => {
    const allow = [key] as never
    assert.throws(() => new Relay({ secret: 'a secret of some length', allow }), { code: 'BAD_PUBLIC_KEY' })
  })
}

test('a relay without a secret, or with other options that are none, is refused with a code', () => {
  assert.throws(() => new Relay(undefined as never), { code: 'BAD_OPTIONS' })
  assert.throws(() => new Relay({} as never), { code: 'BAD_SECRET' })
  const wrong = { secret: 'a secret of some length', port: -1 }
  assert.throws(() => new Relay(wrong), { code: 'BAD_OPTIONS', message: /^options\.port: is -1;/ })
})

test('nodes of a DHT with options that are none are refused with a code', () => {
  assert.throws(() => new BootstrapNodes({ hosts: ['nowhere'] }), { code: 'BAD_OPTIONS' })
})

test('a relay that is closed before or during its start does not start, and leaves nothing open', async () => {
  await failsWhenClosed(() => new Relay({ secret: 'a secret of some length', bootstrap: ['127.0.0.1:1'] }))
})
