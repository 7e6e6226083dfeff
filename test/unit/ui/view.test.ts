import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noDatagrams } from '../../../src/datagrams/datagrams.js'
import type { TargetState } from '../../../src/events.js'
import { encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { checkOptions } from '../../../src/options/check.js'
import { filePlaces } from '../../../src/options/places.js'
import { emptyTally } from '../../../src/session/traffic.js'
import type { ClientStatus, DisconnectedStatus, ServerStatus } from '../../../src/status.js'
import { viewOf } from '../../../src/ui/view.js'
import { idleStatus } from '../../support/idle-status.js'

const publicKey = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'

test('the page tells why a host is not reached, while it is not', () => {
  const options = checkOptions({ schema: [{ mode: 'client', port: 80, publicKey }] }, filePlaces)
  const waiting = (disconnected: DisconnectedStatus | null) => {
    const client = {
      publicKey,
      maps: [],
      sessions: [],
      disconnected,
      overall: { datagrams: noDatagrams(), resumptions: 0 },
      dials: 1,
      failedDials: 1,
      waiting: 0,
      droppedWaiting: 0
    }
    const view = viewOf(
      options,
      { ...idleStatus(), clients: [client] },
      { file: 'options.json', restart: [], warnings: [] }
    )
    return view.clients[0]!.waiting
  }
  const cause = { code: 'SERVER_NOT_RUNNING' as const, message: 'Nobody answers there.' }
  assert.equal(waiting({ since: 0, cause, nextDial: null }), cause.message)
  assert.equal(waiting({ since: 0, cause: null, nextDial: null }), undefined)
  assert.equal(waiting(null), undefined)
})

test('each local port of a server port is shown, also one that the system chose', () => {
  const local = [0, 8080, 0, 8081]
  const schema = local.map(localPort => ({ mode: 'client', proto: 'tcp', port: 80, publicKey, localPort }))
  const options = checkOptions({ schema }, filePlaces)
  const client: ClientStatus = {
    publicKey,
    maps: [8080, 50_001, 8081, 50_002].map(localPort => ({
      proto: 'tcp',
      port: 80,
      localHost: '127.0.0.1',
      localPort,
      flows: 0,
      ...emptyTally()
    })),
    sessions: [],
    disconnected: null,
    overall: { datagrams: noDatagrams(), resumptions: 0 },
    dials: 0,
    failedDials: 0,
    waiting: 0,
    droppedWaiting: 0
  }
  const addresses = (clients: ClientStatus[]) =>
    viewOf(
      options,
      { ...idleStatus(), clients },
      { file: 'f', restart: [], warnings: [] }
    ).clients[0]!.addresses.map(({ address }) => address)
  assert.deepEqual(
    addresses([client]),
    [50_001, 8080, 50_002, 8081].map(port => `127.0.0.1:${port}`)
  )
  assert.deepEqual(addresses([]), ['127.0.0.1:8080', '127.0.0.1:8081'])
})

test('a game that is open on another port can be shared from there', () => {
  const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
  const options = checkOptions({ schema: [{ mode: 'server', game: 'minecraft', secret }] }, filePlaces)
  const key = encodeKey(keyPairOf(new Secret(secret)).publicKey)
  const map = { proto: 'tcp', port: 25565, host: '127.0.0.1', target: 'closed', flows: 0 } as const
  const server: ServerStatus = {
    publicKey: key,
    private: false,
    announced: 'announced',
    maps: [{ ...map, ...emptyTally() }],
    sessions: [],
    overall: { datagrams: noDatagrams(), resumptions: 0 },
    admitted: 0
  }
  const warning = { code: 'GAME_ELSEWHERE', message: 'for the command line', publicKey: key, port: 51_234 }
  const offline = { code: 'DHT_UNREACHABLE', message: 'No way out.', publicKey: key }
  const of = (announced: ServerStatus['announced']) => {
    const status = { ...idleStatus(), servers: [{ ...server, announced }] }
    const warnings = [
      { id: 1, ...warning },
      { id: 2, ...offline },
      { id: 3, code: 'TARGET_ELSEWHERE', message: 'for the command line', publicKey: key, host: '192.0.2.7' }
    ]
    return viewOf(options, status, { file: 'f', restart: [], warnings }).servers[0]!.warnings
  }
  const [first, second, third] = of('unreached')
  assert.deepEqual(first, {
    id: 1,
    text: 'The game is open on port 51234, but port 25565 is shared.',
    port: 51_234
  })
  assert.equal(second?.text, 'No way out.')
  assert.match(third!.text, /only at the address 192\.0\.2\.7\. Remove this and host it again/)
  assert.equal(of('announced').length, 2, 'a way was found since')
  const another = { ...server, publicKey: 'another', maps: [{ ...map, port: 51_234, ...emptyTally() }] }
  const shared = { ...idleStatus(), servers: [server, another] }
  const warnings = [{ id: 1, ...warning }]
  const [view] = viewOf(options, shared, { file: 'f', restart: [], warnings }).servers
  assert.deepEqual(view!.warnings, [], 'another server shares it since')
})

test('the page says which game is waited for, until something listens on its port', () => {
  const schema = [{ mode: 'server', game: 'minecraft', secret: 'qm4jzr8tk3ow9yxa5hbdnc6e' }]
  const options = checkOptions({ schema }, filePlaces)
  const of = (target: TargetState) => {
    const server: ServerStatus = {
      publicKey: encodeKey(keyPairOf(new Secret('qm4jzr8tk3ow9yxa5hbdnc6e')).publicKey),
      private: false,
      announced: 'announced',
      maps: [
        {
          proto: 'tcp',
          port: 25565,
          host: '127.0.0.1',
          name: 'minecraft-java',
          target,
          flows: 0,
          ...emptyTally()
        }
      ],
      sessions: [],
      overall: { datagrams: noDatagrams(), resumptions: 0 },
      admitted: 0
    }
    const [view] = viewOf(
      options,
      { ...idleStatus(), servers: [server] },
      { file: 'f', restart: [], warnings: [] }
    ).servers
    return [view!.waiting, view!.idle]
  }
  assert.deepEqual(of('closed'), [['Waiting for Minecraft: Java Edition on port 25565'], true])
  assert.deepEqual(of('answers'), [[], false])
  assert.deepEqual(of('unknown'), [[], false])
})
