import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Grant } from '../../../src/access/access.js'
import type { Proto } from '../../../src/proto.js'
import { type ServerMap, SharedMaps } from '../../../src/server/shared-maps.js'

function map(proto: Proto, port: number, more: Partial<ServerMap> = {}): ServerMap {
  const features = { playerAddresses: false, proxyProtocol: false, duplicate: false }
  return { proto, port, host: '127.0.0.1', ...features, ...more }
}

function grant(...maps: string[]): Grant {
  return { name: 'Anna', maps: new Set(maps), expires: Number.POSITIVE_INFINITY, maxDevices: undefined }
}

test('a map keeps its number as long as it is shared, and no number is used again', () => {
  const maps = new SharedMaps([map('tcp', 80), map('udp', 53)])
  const [tcp, udp] = maps.list
  maps.change([map('udp', 53, { duplicate: true }), map('tcp', 443)])
  assert.equal(maps.find(udp!.id)?.duplicate, true, 'its flows find what has changed by its number')
  assert.equal(udp!.duplicate, false, 'a list that was given out stays as it was')
  assert.equal(maps.find(tcp!.id), undefined)
  maps.change([map('tcp', 80), map('udp', 53)])
  const ids = maps.list.map(({ id }) => id)
  assert.deepEqual(ids, [4, udp!.id], 'one that comes again is another one: its flows were reset')
})

test('a map that leads to another host, or by another protocol, is another one', () => {
  const maps = new SharedMaps([map('tcp', 80)])
  const { id } = maps.list[0]!
  for (const other of [map('tcpudp', 80), map('tcp', 81), map('tcp', 80, { host: '192.168.1.20' })]) {
    maps.change([map('tcp', 80), other])
    assert.equal(maps.list[0]!.id, id)
    assert.notEqual(maps.list[1]!.id, id)
  }
})

test('a grant opens a map by its number, its protocol, and with permission', () => {
  const maps = new SharedMaps([map('tcp', 80), map('udp', 53)])
  const anna = grant('tcp 80')
  assert.equal(maps.open(1, 'tcp', anna)?.port, 80)
  assert.equal(maps.open(1, 'tcpudp', anna), undefined)
  assert.equal(maps.open(2, 'udp', anna), undefined)
  assert.equal(maps.open(3, 'tcp', anna), undefined)
  assert.deepEqual(
    maps.of(anna).map(({ port }) => port),
    [80]
  )
})
