import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type SecretStream from '@hyperswarm/secret-stream'
import type { PathKind } from '../../../src/events.js'
import { LastAddresses } from '../../../src/network/last-addresses.js'

class Raw extends EventEmitter {
  constructor(
    public remoteHost: string | null,
    public remotePort: number
  ) {
    super()
  }
}

const stream = (raw: Raw): SecretStream => ({ rawStream: raw }) as unknown as SecretStream
const direct = { path: 'direct' } as const
const key = (id: number): Uint8Array => Uint8Array.of(id)

test('the address of a server is the last one, also when it changes while connected', () => {
  const addresses = new LastAddresses(8)
  assert.equal(addresses.of(key(1)), null)
  const raw = new Raw('192.168.7.10', 49_737)
  addresses.note(key(1), stream(raw), direct)
  assert.deepEqual(addresses.of(key(1)), { host: '192.168.7.10', port: 49_737 })
  raw.remoteHost = '203.0.113.7'
  raw.emit('remote-changed')
  assert.deepEqual(addresses.of(key(1)), { host: '203.0.113.7', port: 49_737 })
  assert.equal(addresses.of(key(2)), null)
})

test('the address of a relay is none of a server', () => {
  const addresses = new LastAddresses(8)
  addresses.note(key(1), stream(new Raw('192.168.7.10', 49_737)), direct)
  const link = { path: 'relayed' as PathKind }
  const raw = new Raw('198.51.100.1', 49_737)
  addresses.note(key(1), stream(raw), link)
  assert.deepEqual(addresses.of(key(1)), { host: '192.168.7.10', port: 49_737 })
  link.path = 'direct'
  raw.remoteHost = '203.0.113.7'
  raw.emit('remote-changed')
  assert.deepEqual(addresses.of(key(1)), { host: '203.0.113.7', port: 49_737 })
})

test('only so many servers are remembered', () => {
  const addresses = new LastAddresses(2)
  for (const id of [1, 2, 1, 3]) addresses.note(key(id), stream(new Raw('192.168.7.10', id)), direct)
  assert.deepEqual(
    [1, 2, 3].map(id => addresses.of(key(id))?.port),
    [1, undefined, 3]
  )
})
