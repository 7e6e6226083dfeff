import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DOCTOR_LIMITS, LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { Dht } from '../../../src/network/dht.js'
import { Reachability } from '../../../src/network/reachability.js'
import { systemClock } from '../../../src/util/clock.js'

/** A node that knows another one, which it asks nothing. */
class Known extends Dht {
  override async findReach() {
    return false
  }
}

test('a router that has not answered in time is none', { timeout: 5000 }, async t => {
  const dht = new Known({ bootstrap: [] }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  dht.addNode({ host: '11.0.0.1', port: 49737 })
  const reachability = new Reachability(dht, true, LIMITS, silentLog)
  t.after(() => reachability.close())
  // Before a search begins.
  const tried = reachability.tryPortMapping({ ...DOCTOR_LIMITS, portMappingMs: 0 })
  assert.deepEqual(await tried, { state: 'none', reason: 'The router does not answer in time.' })
})
