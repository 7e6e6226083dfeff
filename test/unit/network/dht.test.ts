// Which nodes are taken for dead.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../src/clock.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log.js'
import { Dht } from '../../../src/network/dht.js'

/** dht-rpc's numbers of its own questions. */
const [PING, PING_NAT] = [0, 1]

/** A node that knows of 8 others, which are asked nothing. */
function knowing8(t: TestContext): Dht {
  const dht = new Dht({ bootstrap: [] }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  for (let i = 1; i <= 8; i++) dht.addNode({ host: `11.0.0.${i}`, port: 49737 })
  assert.equal(dht.nodes.length, 8)
  return dht
}

function silence(dht: Dht, command: number, to = dht.nodes.latest!): void {
  dht._ontimeout({ to: to as typeof to & { id: Uint8Array }, internal: true, command })
}

test('a node that does not answer a question is dropped', t => {
  const dht = knowing8(t)
  silence(dht, PING)
  assert.equal(dht.nodes.length, 7)
})

test('a node whose answer was to come to a port that a NAT shuts is kept', t => {
  const dht = knowing8(t)
  for (let node = dht.nodes.latest; node; node = node.prev) silence(dht, PING_NAT, node)
  assert.equal(dht.nodes.length, 8)
})
