import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayPlaces } from '../../../src/network/relay-places.js'

const LIMITS = { connections: 40, sessions: 8 }

/** Connects as often as there is room. @returns how often */
function fill(places: RelayPlaces, key: () => string, address: () => string, most = 1000): number {
  let count = 0
  for (; count < most; count++) {
    const [k, a] = [key(), address()]
    if (!places.hasRoom(k, a)) break
    places.connect(k, a)
  }
  return count
}

let drawn = 0
const fresh = (): string => `key ${drawn++}`

test('one address does not take the connections of others, whatever keys it draws', () => {
  const places = new RelayPlaces(LIMITS, null)
  assert.equal(
    fill(places, fresh, () => '203.0.113.1'),
    10
  )
  assert.ok(places.hasRoom(fresh(), '203.0.113.2'))
  assert.equal(fill(places, fresh, fresh), 30)
  assert.ok(!places.hasRoom(fresh(), '203.0.113.2'))
})

test('a connection that is over gives its place back, once for each', () => {
  const places = new RelayPlaces(LIMITS, null)
  const ends = Array.from({ length: 10 }, () => places.connect(fresh(), 'a'))
  assert.ok(!places.hasRoom(fresh(), 'a'))
  ends[0]!()
  assert.ok(places.hasRoom(fresh(), 'a'))
  for (const end of ends.slice(1)) end()
  assert.equal(
    fill(places, fresh, () => 'a'),
    10
  )
})

test('strangers from everywhere leave half of the connections to servers that are named', () => {
  const places = new RelayPlaces(LIMITS, new Set(['server']))
  assert.equal(fill(places, fresh, fresh), 20)
  assert.equal(
    fill(
      places,
      () => 'server',
      () => '203.0.113.1'
    ),
    20
  )
})

test('the place of a connection that is over is free again, for strangers too', () => {
  const places = new RelayPlaces(LIMITS, new Set(['server']))
  const ends = Array.from({ length: 20 }, () => places.connect(fresh(), fresh()))
  assert.ok(!places.hasRoom(fresh(), fresh()))
  ends[0]!()
  assert.ok(places.hasRoom(fresh(), fresh()))
})

test('a server has three quarters of the sessions where all are served, and all where it is named', () => {
  const open = new RelayPlaces(LIMITS, null)
  const ends: (() => void)[] = []
  for (let i = 0; i < 6; i++) {
    assert.ok(open.serves('server', fresh()))
    ends.push(open.begin('server', fresh()))
  }
  assert.ok(!open.serves('server', fresh()))
  assert.ok(open.serves('another', fresh()))
  ends[0]!()
  assert.ok(open.serves('server', fresh()))
  const named = new RelayPlaces(LIMITS, new Set(['server']))
  for (let i = 0; i < 8; i++) {
    assert.ok(named.serves(fresh(), 'server'))
    named.begin(fresh(), 'server')
  }
  assert.deepEqual([named.serves(fresh(), 'server'), named.sessions], [false, 8])
  assert.ok(!new RelayPlaces(LIMITS, new Set(['server'])).serves(fresh(), fresh()))
})

test('a small relay serves one household, and one server', () => {
  const places = new RelayPlaces({ connections: 4, sessions: 2 }, null)
  assert.equal(
    fill(places, fresh, () => '203.0.113.1'),
    4
  )
  for (let i = 0; i < 2; i++) {
    assert.ok(places.serves('server', fresh()))
    places.begin('server', fresh())
  }
})
