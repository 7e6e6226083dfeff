import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Players } from '../../../src/access/players.js'
import type { DaemonEvent } from '../../../src/events.js'
import type { ByteFlow } from '../../../src/flows/byte-flow.js'
import { LIMITS } from '../../../src/limits.js'
import { type Log, silentLog } from '../../../src/log/log.js'
import type { Guest } from '../../../src/server/guest.js'
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
    'This computer has no route to "192.0.2.3", to which port 86 leads: check the address, and whether that computer is on.'
  const waiting = [86, 87].map(port => ({ proto: 'tcp', port, host: '192.0.2.3' }))
  assert.deepEqual(told, [
    { event: 'warning', code: 'TARGET_UNREACHABLE', message: off, publicKey: 'key', maps: waiting },
    { event: 'warning', code: 'TARGET_UNKNOWN', message, publicKey: 'key' }
  ])
  targets.mapsChanged()
  await targets.checkHosts()
  assert.equal(told.length, 2)
})

// [what the resolver says, what the owner reads]
const UNRESOLVED: [string, RegExp][] = [
  ['ENOTFOUND', /^there is no computer of that name: /],
  ['EAI_AGAIN', /^the name of that computer cannot be looked up, as no DNS server answers: /]
]

for (const [code, message] of UNRESOLVED) {
  test(`a guest comes, and the name of the host is not resolved: ${code}`, async () => {
    const warned: string[] = []
    const maps = new SharedMaps([{ proto: 'tcp', host: 'nas.lan', port: 80, ...OFF }])
    const targets = new Targets({
      maps,
      players: new Players(1),
      clock: new VirtualClock(),
      limits: LIMITS,
      log: { warn: (_: object, text: string) => warned.push(text) } as unknown as Log,
      publicKey: 'key',
      emit: () => {},
      onreach: () => {},
      lookUp: async () => {
        throw Object.assign(new Error('no'), { code })
      }
    })
    const usage = {
      openSocket: () => ({ close: () => {}, add: () => {}, remove: () => {} }),
      resources: { alloc: Buffer.alloc },
      kept: { free: 1 << 20 }
    }
    const guest = { label: 'guest', grant: { maps: null }, usage } as unknown as Guest
    const reason = await new Promise(resolve => {
      const flow = { map: maps.list[0]!.id, reset: resolve } as unknown as ByteFlow
      assert.equal(targets.connect(guest, flow, 'arq'), null)
    })
    assert.equal(reason, 'TARGET_UNREACHABLE')
    assert.equal(warned.length, 1)
    assert.match(warned[0]!, message)
  })
}
