import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPEN } from '../../../src/identity/access-rules.js'
import { keyPairOf, randomSecret } from '../../../src/identity/keys.js'
import { LIMITS } from '../../../src/limits.js'
import { type Log, silentLog } from '../../../src/log/log.js'
import { Admission } from '../../../src/server/admission.js'
import { GuestTable } from '../../../src/server/guests.js'
import { KEY_BYTES } from '../../../src/wire/constants.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

test('strangers at a private server do not push everything else out of the log', () => {
  const clock = new VirtualClock()
  let lines = 0
  const log = { ...silentLog, info: () => void lines++ } as Log
  const guests = new GuestTable({ clock, limits: LIMITS, log: silentLog })
  const access = { ...OPEN, private: true }
  const keyPair = keyPairOf(randomSecret())
  const admission = new Admission({
    clock,
    limits: LIMITS,
    log,
    timeOfDay: () => clock.now(),
    keyPair,
    access,
    guests,
    former: []
  })
  const key = Buffer.alloc(KEY_BYTES)
  // Ten a second for ten minutes, each with another key.
  for (let i = 0; i < 6000; i++) {
    key.writeUInt32BE(i)
    assert.equal(admission.hides(key, `192.0.2.${i % 256}`), true)
    clock.after(100, () => {})
    clock.run(100 * (i + 1))
  }
  assert.ok(lines >= 100 && lines <= 121, `${lines} lines`)
})
