import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Players } from '../../../src/access/players.js'
import type { DaemonEvent } from '../../../src/events.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { SharedMaps } from '../../../src/server/shared-maps.js'
import { Targets } from '../../../src/server/targets.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const OFF = { playerAddresses: false, proxyProtocol: false, duplicate: false }

test('a host that nobody knows, or that is not there, is reported before a guest comes, once', async () => {
  const asked: string[] = []
  const told: DaemonEvent[] = []
  const mapOf = (host: string, port: number) => ({ proto: 'tcp' as const, host, port, ...OFF })
  const maps = new SharedMaps([
    mapOf('nas.lan', 80),
    mapOf('nsa.lan', 81),
    mapOf('nsa.lan', 82),
    mapOf('slow.lan', 83),
    mapOf('192.0.2.1', 84),
    mapOf('unix:/run/app.sock', 85),
    mapOf('192.0.2.3', 86),
    mapOf('192.0.2.3', 87),
    mapOf('pc.lan', 88)
  ])
  const targets = new Targets({
    maps,
    players: new Players(1),
    clock: new VirtualClock(),
    limits: LIMITS,
    log: silentLog,
    publicKey: 'key',
    emit: event => told.push(event),
    onreach: () => {},
    lookUp: async host => {
      asked.push(host)
      if (host === 'nas.lan') return ['192.0.2.2']
      if (host === 'pc.lan') return ['192.0.2.3', '192.0.2.4']
      throw Object.assign(new Error(host), { code: host === 'nsa.lan' ? 'ENOTFOUND' : 'EAI_AGAIN' })
    },
    routeError: async address => (address === '192.0.2.3' ? new Error('off') : null)
  })
  await targets.checkHosts()
  assert.deepEqual(asked, ['nas.lan', 'nsa.lan', 'slow.lan', 'pc.lan'])
  const message =
    'There is no computer named "nsa.lan", to which port 81 leads: check the name, or use the computer\'s IP address.'
  const off =
    'This computer has no way to "192.0.2.3", to which port 86 leads: check the address, and whether that computer is on.'
  const waiting = [86, 87].map(port => ({ proto: 'tcp', port, host: '192.0.2.3' }))
  assert.deepEqual(told, [
    { event: 'warning', code: 'TARGET_UNREACHABLE', message: off, publicKey: 'key', maps: waiting },
    { event: 'warning', code: 'TARGET_UNKNOWN', message, publicKey: 'key' }
  ])
  targets.mapsChanged()
  await targets.checkHosts()
  assert.equal(told.length, 2)
})
