import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OptionsError } from '../../../src/errors.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import {
  type ClientFlags,
  clientOptions,
  hostOptions,
  type ServerFlags,
  serverOptions
} from '../../../src/options/flags.js'
import { describe } from './describe.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const secret = { text: '0123', place: '-s' }
const STRONG = { text: 'qm4jzr8tk3ow9yxa5hbdnc6e', place: '-s' }

const server = (flags: ServerFlags) => describe(serverOptions({ secret, ...flags }))
const client = (flags: ClientFlags) => describe(clientOptions({ publicKey: KEY, ...flags }))

const at = '127.0.0.1'
const SERVERS: [string, ServerFlags, string[]][] = [
  ['one port', { ports: '3000' }, [`-p 3000: server udp 3000 at ${at}`]],
  [
    'one protocol for many ports',
    { ports: '3000,3001', protocols: 'tcp', host: 'nas' },
    ['-p 3000: server tcp 3000 at nas', '-p 3001: server tcp 3001 at nas']
  ],
  [
    'a protocol for each port',
    { ports: '3000,3001,3002', protocols: 'udp,tcp udp' },
    [
      `-p 3000: server udp 3000 at ${at}`,
      `-p 3001: server tcp 3001 at ${at}`,
      `-p 3002: server udp 3002 at ${at}`
    ]
  ],
  [
    'a protocol for each item, ranges being one',
    { ports: '3000,3001-3002', protocols: 'udp,tcp' },
    [
      `-p 3000: server udp 3000 at ${at}`,
      `-p 3001-3002: server tcp 3001 at ${at}`,
      `-p 3001-3002: server tcp 3002 at ${at}`
    ]
  ],
  [
    'a protocol for each port of a range',
    { ports: '3001-3003', protocols: 'udp,tcp,udp' },
    [
      `-p 3001: server udp 3001 at ${at}`,
      `-p 3002: server tcp 3002 at ${at}`,
      `-p 3003: server udp 3003 at ${at}`
    ]
  ],
  [
    'two protocols for one port, as 1.x writes it',
    { ports: '3000,3000', protocols: 'tcp,udp' },
    [`-p 3000: server tcp 3000 at ${at}`, `-p 3000: server udp 3000 at ${at}`]
  ],
  [
    'two protocols for one port in one word',
    { ports: '3000', protocols: 'tcp+udp' },
    [`-p 3000: server tcp 3000 at ${at}`, `-p 3000: server udp 3000 at ${at}`]
  ],
  [
    'what only some protocols have, for those alone',
    {
      ports: '1,2',
      protocols: 'tcp,udp',
      host: 'localhost',
      playerAddresses: true,
      proxyProtocol: true,
      duplicate: true
    },
    [
      '-p 1: server tcp 1 at localhost playerAddresses proxyProtocol',
      '-p 2: server udp 2 at localhost playerAddresses duplicate'
    ]
  ]
]

const OTHER = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'

test('server and host: guests see each other, for the whole server', () => {
  for (const options of [
    serverOptions({ secret, ports: '1,2', roster: true }),
    hostOptions({ secret, games: ['valheim'], optionalPorts: false, discovery: true, roster: true })
  ]) {
    assert.ok(options.entries.length > 1)
    for (const entry of options.entries) assert.ok(entry.mode === 'server' && entry.access?.roster)
  }
})

test('server: private, with keys and what they are called, whichever entry it is', () => {
  const flags = { ports: '1,2', protocols: 'tcp,udp', private: true, allow: `${KEY}, Anna = ${OTHER}` }
  const options = serverOptions({ secret, ...flags })
  const host = { games: ['teeworlds'], optionalPorts: false, discovery: true }
  const hosted = hostOptions({ secret, ...host, private: true, allow: `${KEY},Anna=${OTHER}` })
  for (const entry of [...options.entries, ...hosted.entries]) {
    assert.ok(entry.mode === 'server')
    assert.deepEqual(entry.access, {
      private: true,
      allow: [{ publicKey: decodeKey(KEY) }, { name: 'Anna', publicKey: decodeKey(OTHER) }],
      invites: []
    })
  }
  assert.equal(options.entries.length + hosted.entries.length, 3)
})

test('server: faults of the access rules are reported by their flag', () => {
  const faults = (flags: ServerFlags): string => {
    try {
      serverOptions({ secret, ports: '1', ...flags })
    } catch (err) {
      assert.ok(err instanceof OptionsError)
      return err.message
    }
    return 'none'
  }
  assert.match(faults({ private: true }), /^--private: lets nobody in without --allow/)
  assert.match(faults({ private: true, allow: ' , ' }), /^--private: lets nobody in/)
  assert.match(faults({ allow: KEY }), /^--allow: goes with --private/)
  assert.match(faults({ private: true, allow: KEY.slice(1) }), /^--allow: [^\n]+$/)
  assert.match(
    faults({ private: true, allow: `${KEY},${KEY}` }),
    /^--allow, key 2: is the key at --allow, key 1, too/
  )
  assert.match(faults({ private: true, allow: `=${KEY}` }), /^--allow: is empty/)
  const all = faults({ private: true, allow: `${KEY},x,Anna=y`, ports: '0' })
  for (const place of ['-p', '--allow, key 2', '--allow, key 3']) assert.ok(all.includes(`${place}: `), all)
})

for (const [what, flags, expected] of SERVERS) {
  test(`server: ${what}`, () => assert.deepEqual(server(flags), expected))
}

const of = 'of EPkmaN7v..'
const CLIENTS: [string, ClientFlags, string[]][] = [
  ['a pair', { localPorts: '8080', remotePorts: '80' }, [`-l 8080: client udp 80 from ${at} 8080 ${of}`]],
  [
    'the same ports without -l',
    { remotePorts: '80-81', protocols: 'tcp' },
    [`-r 80-81: client tcp 80 from ${at} 80 ${of}`, `-r 80-81: client tcp 81 from ${at} 81 ${of}`]
  ],
  [
    'pairs',
    { localPorts: '8080,8081', remotePorts: '80,443', protocols: 'udp,tcp' },
    [`-l 8080: client udp 80 from ${at} 8080 ${of}`, `-l 8081: client tcp 443 from ${at} 8081 ${of}`]
  ],
  [
    'ranges that are cut differently',
    { localPorts: '10-12', remotePorts: '80,90-91' },
    [
      `-l 10: client udp 80 from ${at} 10 ${of}`,
      `-l 11: client udp 90 from ${at} 11 ${of}`,
      `-l 12: client udp 91 from ${at} 12 ${of}`
    ]
  ],
  [
    'any free port for all',
    { localPorts: '0', remotePorts: '80,90-91', localHost: '::1' },
    [
      `-r 80: client udp 80 from ::1 0 ${of}`,
      `-r 90-91: client udp 90 from ::1 0 ${of}`,
      `-r 90-91: client udp 91 from ::1 0 ${of}`
    ]
  ],
  [
    'any free port for one',
    { localPorts: '0,5', remotePorts: '80,81' },
    [`-r 80: client udp 80 from ${at} 0 ${of}`, `-l 5: client udp 81 from ${at} 5 ${of}`]
  ],
  [
    'a protocol for each port of a pair of ranges',
    { localPorts: '5-6', remotePorts: '80-81', protocols: 'tcp,udp' },
    [`-l 5: client tcp 80 from ${at} 5 ${of}`, `-l 6: client udp 81 from ${at} 6 ${of}`]
  ]
]

test('client: datagrams sent twice, where there are any', () => {
  const flags = { remotePorts: '1,2', localPorts: '0', protocols: 'tcp,udp', duplicate: true }
  assert.deepEqual(client(flags), [
    `-r 1: client tcp 1 from ${at} 0 ${of}`,
    `-r 2: client udp 2 from ${at} 0 ${of} duplicate`
  ])
})

for (const [what, flags, expected] of CLIENTS) {
  test(`client: ${what}`, () => assert.deepEqual(client(flags), expected))
}

// [what, how, place and part of the message of each fault]
const FAULTS: [string, () => unknown, [string, RegExp][]][] = [
  ['no port', () => server({}), [['-p', /^is missing/]]],
  [
    'an empty secret',
    () => server({ ports: '1', secret: { text: '', place: 'HYPER_NAT_SECRET' } }),
    [['HYPER_NAT_SECRET', /^is empty/]]
  ],
  [
    'more protocols than ports',
    () => server({ ports: '1,2', protocols: 'tcp,udp,tcp' }),
    [['--protocol', /^names 3 protocols \(tcp,udp,tcp\) for 2 ports; give one for all, or one for each/]]
  ],
  [
    'fewer protocols than ports',
    () => server({ ports: '1-3', protocols: 'tcp,udp' }),
    [['--protocol', /^names 2 protocols .* for 3 ports/]]
  ],
  [
    'an unknown protocol among several',
    () => server({ ports: '1,2,3', protocols: 'tcp,ucp,sctp' }),
    [
      ['--protocol', /has "ucp".* did you mean "udp"/],
      ['--protocol', /has "sctp"/]
    ]
  ],
  [
    'what no protocol here has',
    () => server({ ports: '1,2', proxyProtocol: true }),
    [['--proxy-protocol', /^is for tcp and tcpudp/]]
  ],
  [
    'datagrams sent twice, of TCP',
    () => client({ remotePorts: '1,2', protocols: 'tcp', duplicate: true }),
    [['--duplicate', /^is for udp/]]
  ],
  [
    'player addresses on another computer',
    () => server({ ports: '1', host: 'nas', playerAddresses: true }),
    [['--player-addresses', /^is for programs on this computer/]]
  ],
  ['no protocol', () => server({ ports: '1', protocols: '' }), [['--protocol', /^is empty/]]],
  [
    'a port twice',
    () => server({ ports: '1,1' }),
    [['-p', /^shares udp port 1, which -p 1 already shares under the same secret/]]
  ],
  [
    'a wrong host, once for all ports',
    () => server({ ports: '1,2,3', host: 'a:1' }),
    [['--host', /give the address or name alone/]]
  ],
  [
    'everything wrong',
    () => server({ ports: '0,abc', protocols: 'x,y', host: '', secret: { text: '', place: '-s' } }),
    [
      ['-p', /has "0", "abc", which are not ports/],
      ['--protocol', /has "x"/],
      ['--protocol', /has "y"/],
      ['--host', /is empty/],
      ['-s', /is empty/]
    ]
  ],
  [
    'bootstrap',
    () => server({ ports: '1', bootstrap: { text: 'a:1, b', place: '--bootstrap' } }),
    [['--bootstrap', /has "b", which is not host:port/]]
  ],
  [
    'no bootstrap in it',
    () => server({ ports: '1', bootstrap: { text: '', place: 'HYPER_NAT_BOOTSTRAP' } }),
    [['HYPER_NAT_BOOTSTRAP', /is an empty list/]]
  ],
  [
    'no remote port, no key',
    () => clientOptions({ localPorts: '1' }),
    [
      ['-r', /^is missing/],
      ['-k', /^is missing; give the public key/]
    ]
  ],
  [
    'lists of different lengths',
    () => client({ localPorts: '1,2,3', remotePorts: '80,81' }),
    [['-l', /^names 3 local ports \(1-3\), but -r names 2 \(80-81\); give as many/]]
  ],
  [
    'both lists wrong',
    () => client({ localPorts: '70000', remotePorts: '0', localHost: 'a b', publicKey: 'x' }),
    [
      ['-r', /has "0"/],
      ['-l', /has "70000"/],
      ['--local-host', /is "a b"/],
      ['-k', /has 1 character;/]
    ]
  ],
  [
    'one local port twice',
    () => client({ localPorts: '5,5', remotePorts: '80,81' }),
    [['-l', /^takes local port 5, udp on 127.0.0.1, which -l 5 already takes/]]
  ]
]

for (const [what, how, expected] of FAULTS) {
  test(`fault: ${what}`, () => {
    const faults = faultsOf(how)
    const shown = JSON.stringify(faults, null, 1)
    for (const [path, message] of expected) {
      assert.ok(
        faults.some(fault => fault.path === path && message.test(fault.message)),
        `${path} ${message}\n${shown}`
      )
    }
    assert.equal(faults.length, expected.length, shown)
  })
}

test('bootstrap nodes arrive', () => {
  const { network } = serverOptions({ ports: '1', secret, bootstrap: { text: 'a:1, b:2', place: '' } })
  assert.deepEqual(network, { bootstrap: ['a:1', 'b:2'] })
})

test('whatever flags hold, there are options or faults', () => {
  const ports = fc.option(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789,-') })), {
    nil: undefined
  })
  const protocols = fc.option(
    fc.string({ unit: fc.constantFrom('tcp', 'udp', 'tcpudp', '+', ',', ' ', 'x') }),
    { nil: undefined }
  )
  const text = fc.option(fc.string(), { nil: undefined })
  fc.assert(
    fc.property(ports, ports, protocols, text, (a, b, c, d) => {
      for (const how of [
        () => serverOptions({ ports: a, protocols: c, host: d, secret }),
        () => clientOptions({ localPorts: a, remotePorts: b, protocols: c, localHost: d, publicKey: KEY })
      ]) {
        try {
          how()
        } catch (err) {
          assert.ok(err instanceof OptionsError && err.faults.length > 0, String(err))
        }
      }
    }),
    { numRuns: 2000 }
  )
})

function faultsOf(how: () => unknown) {
  try {
    how()
  } catch (err) {
    assert.ok(err instanceof OptionsError, String(err))
    return err.faults
  }
  throw new Error('no fault was found')
}

test('a port carries its protocol, as in Docker', () => {
  const mapsOf = (ports: string, protocols?: string) =>
    serverOptions({ ports, protocols, secret: STRONG }).entries.map(({ port, proto }) => `${proto} ${port}`)
  assert.deepEqual(mapsOf('22/tcp'), ['tcp 22'])
  assert.deepEqual(mapsOf('80,443/TCP,25565/tcp+udp'), ['tcp 80', 'tcp 443', 'tcp 25565', 'udp 25565'])
  assert.deepEqual(mapsOf('53/udp, 53/tcp, 100-101/tcpudp'), ['udp 53', 'tcp 53', 'tcpudp 100', 'tcpudp 101'])
  assert.deepEqual(mapsOf('22/tcp,80'), ['tcp 22', 'udp 80'])
  assert.deepEqual(mapsOf('80,443/tcp', 'tcpudp'), ['tcpudp 80', 'tcp 443'])
  assert.throws(
    () => mapsOf('80,443/tcp', 'udp,tcp'),
    /--protocol: names 2 protocols, but 443\/tcp has its own/
  )
  assert.throws(() => mapsOf('80/tpc'), /-p: has "tpc", which is no protocol; did you mean "tcp"/)
  assert.throws(() => mapsOf('80/'), /-p: is empty/)

  const opened = (localPorts: string | undefined, remotePorts: string) =>
    clientOptions({ localPorts, remotePorts, publicKey: KEY }).entries.map(
      entry => entry.mode === 'client' && `${entry.proto} ${entry.port} at ${entry.localPort}`
    )
  assert.deepEqual(opened(undefined, '22/tcp'), ['tcp 22 at 22'])
  assert.deepEqual(opened('2222,53', '22/tcp,53/udp'), ['tcp 22 at 2222', 'udp 53 at 53'])
  assert.deepEqual(opened('1-3', '80-81/tcp,90'), ['tcp 80 at 1', 'tcp 81 at 2', 'udp 90 at 3'])
  assert.deepEqual(opened('0', '22/tcp'), ['tcp 22 at 0'])
})

test('UDP by default is a warning, which knows common programs of TCP', () => {
  const warned = (ports: string, protocols?: string) =>
    serverOptions({ ports, protocols, secret: STRONG }).warnings.map(
      ({ code, path, message }) => `${code} ${path}: ${message}`
    )
  assert.deepEqual(warned('22'), [
    'DEFAULT_PROTOCOL -p: UDP is used, as no protocol is given. Port 22 is usually SSH, which needs TCP. For TCP, write -p 22/tcp.'
  ])
  assert.deepEqual(warned('7913-7915'), [
    'DEFAULT_PROTOCOL -p: UDP is used, as no protocol is given. For TCP, write -p 7913/tcp.'
  ])
  assert.deepEqual([warned('22/udp'), warned('22', 'udp'), warned('22/tcp')], [[], [], []])
})
