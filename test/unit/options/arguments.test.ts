import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionsError } from '../../../src/errors.js'
import {
  checkAccess,
  checkBootstrap,
  checkInvite,
  checkOpen,
  checkRelay,
  checkShare,
  checkStream
} from '../../../src/options/arguments.js'

/** The paths of all faults; none if nothing is wrong. */
function faults(check: () => void): string[] {
  try {
    check()
  } catch (err) {
    assert.ok(err instanceof OptionsError && err.code === 'BAD_OPTIONS', String(err))
    return err.faults.map(({ path }) => path)
  }
  return []
}

const MAP = { proto: 'tcp', port: 3000 }

for (const [what, given, paths] of [
  ['nothing', undefined, ['share']],
  ['a text', 'secret', ['share']],
  ['an empty object', {}, ['secret', 'maps']],
  ['a secret that is a number', { secret: 5, maps: [] }, ['secret']],
  ['maps that are one map', { secret: 's', maps: MAP }, ['maps']],
  [
    'two ports that lead to one socket',
    {
      secret: 's',
      maps: [
        { proto: 'tcp', port: 80, host: 'unix:/run/app.sock' },
        { proto: 'tcpudp', port: 80, host: 'unix:/run/app.sock' },
        { proto: 'tcp', port: 81, host: 'unix:/run/app.sock' }
      ]
    },
    ['maps[2].host']
  ],
  ['a map that is null', { secret: 's', maps: [MAP, null] }, ['maps[1]']],
  [
    'a wrong protocol and port',
    { secret: 's', maps: [{ proto: 'tpc', port: '3000' }] },
    ['maps[0].proto', 'maps[0].port']
  ],
  [
    'a protocol and port that are no text and no number, nor can be made one',
    { secret: 's', maps: [{ proto: Symbol('tcp'), port: Object.create(null) }] },
    ['maps[0].proto', 'maps[0].port']
  ],
  [
    'a port out of range',
    {
      secret: 's',
      maps: [
        { proto: 'udp', port: 65_536 },
        { proto: 'udp', port: 0 },
        { proto: 'udp', port: 1.5 }
      ]
    },
    ['maps[0].port', 'maps[1].port', 'maps[2].port']
  ],
  [
    'an empty host and a flag that is a text',
    { secret: 's', maps: [{ ...MAP, host: '', duplicate: 'yes' }] },
    ['maps[0].host', 'maps[0].duplicate']
  ],
  [
    'a need of ports that is none',
    { secret: 's', maps: [{ ...MAP, guestPorts: 'apart' }] },
    ['maps[0].guestPorts']
  ],
  ['one map twice', { secret: 's', maps: [MAP, { ...MAP, host: '10.0.0.1' }] }, ['maps[1]']],
  [
    'wrong access',
    { secret: 's', maps: [], private: 1, allow: 'key', invites: {} },
    ['private', 'allow', 'invites']
  ],
  [
    'invites that are none',
    {
      secret: 's',
      maps: [],
      invites: [
        1,
        {
          name: '',
          nonce: new Uint8Array(15),
          expires: 'soon',
          maxDevices: 0,
          maps: [null, { proto: 'tpc' }]
        },
        { name: 'Anna', nonce: new Uint8Array(16), maps: [MAP], expires: 1, maxDevices: 1, created: 0 }
      ]
    },
    [
      'invites[0]',
      'invites[1].name',
      'invites[1].maxDevices',
      'invites[1].expires',
      'invites[1].nonce',
      'invites[1].maps[0]',
      'invites[1].maps[1].proto',
      'invites[1].maps[1].port'
    ]
  ],
  [
    'allowed keys that are none',
    {
      secret: 's',
      maps: [],
      allow: ['k', null, {}, { publicKey: 'k', name: 5 }, { publicKey: new Uint8Array(32) }]
    },
    ['allow[1]', 'allow[2].publicKey', 'allow[3].name']
  ],
  [
    'what is right',
    { secret: 's', maps: [MAP, { ...MAP, proto: 'udp', host: undefined }], private: true, allow: [] },
    []
  ]
] as const) {
  test(`share with ${what}`, () => {
    assert.deepEqual(faults(() => checkShare(given)).sort(), [...paths].sort())
  })
}

test('a wrong secret is not quoted, and a mistyped protocol is corrected', () => {
  assert.throws(
    () => checkShare({ secret: 12_345, maps: [{ proto: 'tpc', port: 1 }] }),
    (err: Error) => !err.message.includes('12345') && err.message.includes('did you mean "tcp"?')
  )
})

for (const [what, given, paths] of [
  [
    'two maps that listen on one socket',
    {
      publicKey: 'k',
      maps: [
        { proto: 'tcp', port: 80, localHost: 'unix:/run/app.sock' },
        { proto: 'tcp', port: 81, localHost: 'unix:/run/other.sock' },
        { proto: 'tcpudp', port: 80, localHost: 'unix:/run/app.sock' }
      ]
    },
    ['maps[2].localHost']
  ],
  ['nothing', undefined, ['open']],
  ['an empty object', {}, ['publicKey', 'maps']],
  ['a key that is a number', { publicKey: 5, maps: [] }, ['publicKey']],
  ['a ticket that is a number', { ticket: 5 }, ['ticket']],
  ['a ticket whose maps are none', { ticket: { maps: [null, MAP] } }, ['ticket.maps[0]']],
  [
    'a local port that is a text',
    { ticket: 'hnat1', maps: [{ ...MAP, localPort: '80' }] },
    ['maps[0].localPort']
  ],
  ['a local host that is none', { publicKey: 'k', maps: [{ ...MAP, localHost: 1 }] }, ['maps[0].localHost']],
  [
    'what is right',
    {
      publicKey: 'k',
      maps: [
        { ...MAP, localPort: 0, nextFree: true },
        { ...MAP, localPort: 0 }
      ]
    },
    []
  ]
] as const) {
  test(`open with ${what}`, () => {
    assert.deepEqual(
      faults(() => checkOpen(given)),
      paths
    )
  })
}

for (const [what, given, paths] of [
  ['nothing', undefined, ['options']],
  ['ports that are none', { port: 70_000, allow: 'key' }, ['options.port', 'options.allow']],
  ['DHT nodes that are none', { bootstrap: ['nowhere'] }, ['options.bootstrap']],
  [
    'numbers that are none',
    { limits: { sessions: Number.NaN }, tcpLimits: { connections: '5' } },
    ['options.limits.sessions', 'options.tcpLimits.connections']
  ],
  ['what is right', { port: 49_737, bootstrap: ['127.0.0.1:1'], allow: [], limits: { sessions: 1 } }, []]
] as const) {
  test(`a relay with ${what}`, () => {
    assert.deepEqual(
      faults(() => checkRelay(given)),
      paths
    )
  })
}

for (const [what, given, paths] of [
  ['null', null, ['options']],
  ['a port that is none', { port: -1, nodes: 0 }, ['options.port', 'options.nodes']],
  ['ports beyond the last', { port: 65_533 }, ['options.port']],
  ['hosts that are one', { hosts: '127.0.0.1' }, ['options.hosts']],
  ['a name among the hosts', { hosts: ['127.0.0.1', 'localhost'] }, ['options.hosts']],
  ['DHT nodes that are none', { bootstrap: [5] }, ['options.bootstrap']],
  ['what is right', { port: 65_532, hosts: ['127.0.0.1'] }, []]
] as const) {
  test(`nodes of a DHT with ${what}`, () => {
    assert.deepEqual(
      faults(() => checkBootstrap(given, { port: 49_737, nodes: 4 })),
      paths
    )
  })
}

test('an object that listeners cannot be removed from is not a signal', () => {
  const signal = { aborted: false, addEventListener() {}, removeEventListener() {} }
  assert.deepEqual(
    faults(() => checkStream({ signal })),
    []
  )
  assert.deepEqual(
    faults(() => checkStream({ signal: { ...signal, removeEventListener: undefined } })),
    ['options.signal']
  )
})

test('access rules are checked alone, too', () => {
  assert.deepEqual(
    faults(() => checkAccess({ allow: 'key' })),
    ['allow']
  )
  assert.deepEqual(
    faults(() => checkAccess(null)),
    ['access']
  )
})

test('an invite is checked before it is made', () => {
  assert.deepEqual(
    faults(() => checkInvite({})),
    ['invite.name']
  )
  assert.deepEqual(
    faults(() => checkInvite({ name: 'Anna', maps: [MAP] })),
    []
  )
})
