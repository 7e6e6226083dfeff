import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayPlaces, type RelayUser } from '../../../src/network/relay-places.js'

const LIMITS = { connections: 40, sessions: 8 }

const user = (key: string, address = fresh()): RelayUser => ({ key, address })

/** Connects as often as there is room. @returns how often */
function fill(places: RelayPlaces, key: () => string, address: () => string, most = 1000): number {
  let count = 0
  for (; count < most; count++) {
    const one = user(key(), address())
    if (!places.hasRoom(one)) break
    places.connect(one)
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
  assert.ok(places.hasRoom(user(fresh(), '203.0.113.2')))
  assert.equal(fill(places, fresh, fresh), 30)
  assert.ok(!places.hasRoom(user(fresh(), '203.0.113.2')))
})

test('a connection that is over gives its place back, once for each', () => {
  const places = new RelayPlaces(LIMITS, null)
  const ends = Array.from({ length: 10 }, () => places.connect(user(fresh(), 'a')))
  assert.ok(!places.hasRoom(user(fresh(), 'a')))
  ends[0]!()
  assert.ok(places.hasRoom(user(fresh(), 'a')))
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
  const ends = Array.from({ length: 20 }, () => places.connect(user(fresh(), fresh())))
  assert.ok(!places.hasRoom(user(fresh(), fresh())))
  ends[0]!()
  assert.ok(places.hasRoom(user(fresh(), fresh())))
})

test('a server has three quarters of the sessions where all are served, and all where it is named', () => {
  const open = new RelayPlaces(LIMITS, null)
  const ends: (() => void)[] = []
  for (let i = 0; i < 6; i++) {
    assert.ok(open.serves(user('server'), user(fresh())))
    ends.push(open.begin(user('server'), user(fresh())))
  }
  assert.ok(!open.serves(user('server'), user(fresh())))
  assert.ok(open.serves(user('another'), user(fresh())))
  ends[0]!()
  assert.ok(open.serves(user('server'), user(fresh())))
  const named = new RelayPlaces(LIMITS, new Set(['server']))
  for (let i = 0; i < 8; i++) {
    assert.ok(named.serves(user(fresh()), user('server')))
    named.begin(user(fresh()), user('server'))
  }
  assert.deepEqual([named.serves(user(fresh()), user('server')), named.sessions], [false, 8])
  assert.ok(!new RelayPlaces(LIMITS, new Set(['server'])).serves(user(fresh()), user(fresh())))
})

/** Begins as many sessions as are served. @returns how many */
function begin(places: RelayPlaces, one: () => RelayUser, other: () => RelayUser): number {
  for (let count = 0; ; count++) {
    const [a, b] = [one(), other()]
    if (!places.serves(a, b)) return count
    places.begin(a, b)
  }
}

test('one address has three quarters of the sessions where all are served, whatever keys it draws', () => {
  const places = new RelayPlaces({ connections: 160, sessions: 40 }, null)
  const greedy = () => user(fresh(), '203.0.113.1')
  const others = () => user(fresh())
  assert.equal(begin(places, greedy, others), 30)
  assert.ok(!places.serves(others(), greedy()))
  assert.equal(begin(places, others, others), 10)
})

test('one address has a quarter of the sessions of servers that are named, and gets back what it ends', () => {
  const places = new RelayPlaces({ connections: 160, sessions: 40 }, new Set(['server']))
  const greedy = () => user(fresh(), '203.0.113.1')
  const server = () => user('server', '203.0.113.2')
  const end = places.begin(greedy(), server())
  assert.equal(begin(places, greedy, server), 9)
  end()
  assert.equal(begin(places, server, greedy), 1)
  assert.equal(
    begin(places, server, () => user(fresh())),
    30
  )
})

test('a small relay serves one household, and one server', () => {
  const places = new RelayPlaces({ connections: 4, sessions: 2 }, null)
  assert.equal(
    fill(places, fresh, () => '203.0.113.1'),
    4
  )
  for (let i = 0; i < 2; i++) {
    assert.ok(places.serves(user('server'), user(fresh())))
    places.begin(user('server'), user(fresh()))
  }
})
