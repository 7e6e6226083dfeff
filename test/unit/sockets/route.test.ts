import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { routeError } from '../../../src/sockets/route.js'

/** A connection that fails at once. */
const failing = (code: string) => () => new net.Socket().destroy(Object.assign(new Error(code), { code }))

test('there is a route to a computer, also when a firewall refuses with the report of a router', async () => {
  assert.equal(await routeError('127.0.0.1'), null)
  for (const code of ['EHOSTUNREACH', 'ECONNREFUSED', 'EMFILE'])
    assert.equal(await routeError('192.0.2.1', failing(code)), null, code)
})

test('there is no route when the system says so', async () => {
  for (const code of ['ENETUNREACH', 'EHOSTDOWN'])
    assert.equal((await routeError('192.0.2.1', failing(code)))?.message, code)
})
