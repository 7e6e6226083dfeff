import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { dialError } from '../../../src/network/dial-errors.js'

const require = createRequire(import.meta.url)
const errors = require('hyperdht/lib/errors.js') as Record<string, () => { code: string }>

/** What hyperdht's errors come to; every other one means that no packet got through. */
const EXPECTED: Record<string, string> = {
  PEER_NOT_FOUND: 'SERVER_NOT_FOUND',
  PEER_CONNECTION_FAILED: 'SERVER_NOT_RUNNING',
  SERVER_ERROR: 'SERVER_REFUSED',
  SERVER_INCOMPATIBLE: 'VERSION_MISMATCH',
  HOLEPUNCH_DOUBLE_RANDOMIZED_NATS: 'NATS_RANDOM',
  RELAY_ABORTED: 'RELAY_UNREACHABLE'
}

test('every error of hyperdht has a code and a sentence of ours', () => {
  const names = Object.getOwnPropertyNames(errors).filter(name => /^[A-Z_]+$/.test(name))
  assert.ok(names.length > 15)
  for (const name of Object.keys(EXPECTED))
    assert.ok(names.includes(name), `hyperdht has no ${name} any more`)
  for (const name of names) {
    const err = dialError(errors[name]!().code)
    assert.equal(err.code, EXPECTED[name] ?? 'SERVER_UNREACHABLE', name)
    assert.match(err.message, /^[A-Z].*[.?)]$/)
  }
})

test('a server that is not found may run hyper-nat 1.x, which announces other keys', () => {
  assert.match(dialError('PEER_NOT_FOUND').message, / 2\.0 or newer /)
})

test('names of properties are no codes', () => {
  assert.equal(dialError('constructor').code, 'SERVER_UNREACHABLE')
})
