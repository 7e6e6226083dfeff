import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObservedAddresses } from '../../../src/network/observed-addresses.js'

const RECENT = 20_000
const node = (n: number) => ({ host: `11.0.1.${n}`, port: 49737 })
const at = (host: string, port: number) => ({ host, port })

test('two nodes that see us elsewhere than before tell that we have moved; one does not', () => {
  const observed = new ObservedAddresses(RECENT)
  for (const n of [1, 2, 3]) assert.equal(observed.note(node(n), at('11.0.16.1', 5000), 0), false)
  for (const n of [1, 2, 3]) assert.equal(observed.note(node(n), at('11.0.16.1', 5000), 3000), false)
  assert.equal(observed.note(node(1), at('11.0.16.9', 5000), 6000), false)
  assert.equal(observed.note(node(2), at('11.0.16.9', 5000), 6000), true)
  // The third says nothing new.
  assert.equal(observed.note(node(3), at('11.0.16.9', 5000), 6000), false)
  for (const n of [1, 2, 3]) assert.equal(observed.note(node(n), at('11.0.16.9', 5000), 9000), false)
})

test('a node that changes its mind all the time is no second witness', () => {
  const observed = new ObservedAddresses(RECENT)
  for (let i = 0; i < 100; i++) {
    assert.equal(observed.note(node(1), at(`11.0.16.${i}`, 5000), i * 1000), false)
    assert.equal(observed.note(node(2), at('11.0.16.1', 5000), i * 1000), false)
  }
})

test('two nodes of one machine are one witness, while others answer', () => {
  const observed = new ObservedAddresses(RECENT)
  const liars = [1, 2].map(port => at('11.0.2.1', port))
  observed.note(node(1), at('11.0.16.1', 5000), 0)
  for (let i = 0; i < 100; i++) {
    for (const liar of liars) {
      assert.equal(observed.note(liar, at(`11.0.16.${i}`, 5000), i * 1000), false)
    }
  }
  assert.equal(observed.note(node(1), at('11.0.16.99', 5000), 99_000), true)
})

test('where all nodes that answer are on one machine, each is a witness', () => {
  const observed = new ObservedAddresses(RECENT)
  const nodes = [1, 2].map(port => at('11.0.2.1', port))
  for (const one of [...nodes, node(1)]) observed.note(one, at('11.0.16.1', 5000), 0)
  observed.missed(node(1))
  assert.equal(observed.note(nodes[0]!, at('11.0.16.9', 5000), 6000), false)
  assert.equal(observed.note(nodes[1]!, at('11.0.16.9', 5000), 6000), true)
})

test('witnesses that see us at different addresses do not count', () => {
  const observed = new ObservedAddresses(RECENT)
  for (const n of [1, 2, 3]) observed.note(node(n), at('11.0.16.1', 5000), 0)
  assert.equal(observed.note(node(1), at('11.0.16.8', 5000), 3000), false)
  assert.equal(observed.note(node(2), at('11.0.16.9', 5000), 3000), false)
  assert.equal(observed.note(node(3), at('11.0.16.9', 5000), 3000), true)
})

test('nodes of one machine do not displace all others, and are not all that is asked', () => {
  const observed = new ObservedAddresses(RECENT)
  for (const n of [1, 2]) observed.note(node(n), at('11.0.16.1', 5000), 0)
  for (let port = 1; port <= 200; port++) observed.note(at('11.0.2.1', port), at('11.0.16.1', 5000), port)
  assert.deepEqual(observed.nodes(4), [at('11.0.2.1', 200), node(2), node(1), at('11.0.2.1', 199)])
})

test('behind a NAT with a port for each partner, nothing has moved while each sees its own', () => {
  const observed = new ObservedAddresses(RECENT)
  for (let i = 0; i < 10; i++) {
    for (const n of [1, 2, 3]) {
      assert.equal(observed.note(node(n), at('11.0.16.1', 5000 + n), i * 3000), false)
    }
  }
  // It forgot us.
  assert.equal(observed.note(node(1), at('11.0.16.1', 6001), 30_000), false)
  assert.equal(observed.note(node(2), at('11.0.16.1', 6002), 30_000), true)
})

test('a port that was not used for long may change; an address may not', () => {
  const observed = new ObservedAddresses(RECENT)
  for (const n of [1, 2]) observed.note(node(n), at('11.0.16.1', 5000), 0)
  for (const n of [1, 2]) assert.equal(observed.note(node(n), at('11.0.16.1', 6000), RECENT), false)
  observed.note(node(1), at('11.0.16.2', 6000), 10 * RECENT)
  assert.equal(observed.note(node(2), at('11.0.16.2', 6000), 10 * RECENT), true)
})

test('it keeps the most recent nodes, and not more than it needs', () => {
  const observed = new ObservedAddresses(RECENT)
  for (let n = 1; n <= 200; n++) observed.note(node(n), at('11.0.16.1', 5000), n)
  observed.note(node(190), at('11.0.16.1', 5000), 300)
  assert.deepEqual(observed.nodes(3), [node(190), node(200), node(199)])
  assert.equal(observed.nodes(1000).length, 32)
  observed.clear()
  assert.deepEqual(observed.nodes(3), [])
})
