import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionStatus } from '../../../../src/client/hosts/connection-status.js'
import { type ErrorCode, HyperNatError } from '../../../../src/errors.js'
import { VirtualClock } from '../../../sim/support/virtual-clock.js'

function statusOf() {
  const clock = new VirtualClock()
  const told: string[] = []
  let now = 1000
  const status = new ConnectionStatus({
    clock,
    holdMs: 500,
    timeOfDay: () => now,
    tell: cause => void told.push(cause.code)
  })
  const pass = (ms: number): void => {
    clock.after(ms, () => {})
    clock.run(clock.now() + ms)
  }
  return { pass, status, told, at: (ms: number) => void (now = ms) }
}

const cause = (code: ErrorCode): HyperNatError => new HyperNatError(code, 'for a reason')

test('each cause is reported once while there is no connection, and again after there was one', () => {
  const { status, told, at } = statusOf()
  for (let i = 0; i < 2; i++) {
    status.failed(cause('SERVER_NOT_FOUND'), false)
    status.failed(cause('DHT_UNREACHABLE'), false)
  }
  assert.deepEqual(told, ['SERVER_NOT_FOUND', 'DHT_UNREACHABLE'])
  assert.equal(status.cause?.code, 'DHT_UNREACHABLE')
  status.over()
  assert.deepEqual([status.since, status.cause], [null, null])
  at(5000)
  status.begin()
  assert.equal(status.since, 5000)
  status.failed(cause('SERVER_NOT_FOUND'), false)
  assert.deepEqual(told, ['SERVER_NOT_FOUND', 'DHT_UNREACHABLE', 'SERVER_NOT_FOUND'])
})

test('while another host may answer, a cause is held back, and dropped when one does', () => {
  const { status, told, pass } = statusOf()
  status.failed(cause('SERVER_UNREACHABLE'), true)
  pass(499)
  status.over()
  pass(1000)
  assert.deepEqual(told, [])
  status.failed(cause('SERVER_UNREACHABLE'), true)
  pass(500)
  assert.deepEqual(told, ['SERVER_UNREACHABLE'])
})

test('a server that has refused this client says nothing new by its silence', () => {
  const { status, told } = statusOf()
  status.failed(cause('NOT_INVITED'), false)
  status.failed(cause('SERVER_UNREACHABLE'), false)
  assert.deepEqual(told, ['NOT_INVITED'])
})
