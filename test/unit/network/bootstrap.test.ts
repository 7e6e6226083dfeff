import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bestAddress } from '../../../src/network/bootstrap.js'

test('the address that most others reach', () => {
  assert.equal(bestAddress(['127.0.0.1', '192.168.1.5', '203.0.113.9']), '203.0.113.9')
  assert.equal(bestAddress(['127.0.0.1', '192.168.1.5']), '192.168.1.5')
  assert.equal(bestAddress(['127.0.0.1']), '127.0.0.1')
  assert.equal(bestAddress([]), '127.0.0.1')
})
