import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonEvent } from '../../../src/events.js'
import { lineOf } from '../../../src/ui/lines.js'

const time = '2030-01-01T00:00:00.000Z'
const said = (what: object, length = 100) => lineOf(JSON.stringify({ time, ...what }), length)
const told = (event: DaemonEvent) => said(event)?.text

test('guests are called by their names', () => {
  const who = { publicKey: 'SERVERKEY11', peer: 'GUESTKEY111', host: 'h' }
  assert.equal(
    told({ event: 'connected', ...who, name: 'Anna', path: 'direct' }),
    'Guest "Anna" connected (direct)'
  )
  assert.equal(
    told({ event: 'disconnected', ...who, code: 'GOODBYE' }),
    'Guest GUESTKEY.. disconnected (GOODBYE)'
  )
  assert.equal(
    told({ event: 'connected', ...who, peer: who.publicKey, path: 'relayed' }),
    'Server SERVERKE.. connected (relayed)'
  )
})

test('the link to the page is no news', () => {
  assert.equal(
    told({ event: 'ui', url: 'http://127.0.0.1/#token=t', once: 'http://127.0.0.1/#code=c' }),
    undefined
  )
})

test('log lines are shown with their level, long ones are cut', () => {
  const at = Date.parse(time)
  assert.deepEqual(said({ level: 'warn', msg: 'hm' }), { at, level: 'warning', text: 'hm' })
  assert.deepEqual(said({ level: 'info', msg: '0123456789' }, 10), { at, level: 'info', text: '0123456789' })
  assert.deepEqual(said({ level: 'error', msg: '0123456789a' }, 10), {
    at,
    level: 'error',
    text: '01234567..'
  })
  assert.equal(said({ level: 'info' }), undefined)
})
