import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noDatagrams } from '../../../src/datagrams/datagrams.js'
import { checkOptions } from '../../../src/options/check.js'
import { filePlaces } from '../../../src/options/places.js'
import type { AbsenceStatus } from '../../../src/status.js'
import { viewOf } from '../../../src/ui/view.js'
import { idleStatus } from '../../support/idle-status.js'

const publicKey = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'

test('the page tells why a host is not reached, while it is not', () => {
  const options = checkOptions({ schema: [{ mode: 'client', port: 80, publicKey }] }, filePlaces)
  const waiting = (absence: AbsenceStatus | null) => {
    const client = {
      publicKey,
      maps: [],
      sessions: [],
      absence,
      overall: { datagrams: noDatagrams(), resumptions: 0 },
      dials: 1,
      failedDials: 1,
      waiting: 0,
      droppedWaiting: 0
    }
    const view = viewOf(
      options,
      { ...idleStatus(), clients: [client] },
      { file: 'options.json', restart: [] }
    )
    return view.clients[0]!.waiting
  }
  const cause = { code: 'SERVER_NOT_RUNNING' as const, message: 'Nobody answers there.' }
  assert.equal(waiting({ since: 0, cause, nextDial: null }), cause.message)
  assert.equal(waiting({ since: 0, cause: null, nextDial: null }), undefined)
  assert.equal(waiting(null), undefined)
})
