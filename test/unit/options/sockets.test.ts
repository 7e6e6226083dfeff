// Sockets with a path in options, flags and the library's arguments.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionsError } from '../../../src/errors.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { decodeTicket, encodeTicket } from '../../../src/identity/ticket.js'
import { checkOpen, checkShare } from '../../../src/options/arguments.js'
import { checkOptions } from '../../../src/options/check.js'
import type { ClientEntry, Options } from '../../../src/options/entry.js'
import { forwardOptions } from '../../../src/options/forwards.js'
import { joinEntries, joinOptions } from '../../../src/options/join.js'
import { runOnce } from '../cli/memory.js'

const skip = process.platform === 'win32' && 'Windows has pipes instead'
const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
const publicKey = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const SOCKET = 'unix:/run/app.sock'
const server = { mode: 'server', proto: 'tcp', port: 80, host: SOCKET, secret }
const client = { mode: 'client', proto: 'tcp', port: 80, localHost: SOCKET, publicKey }

function faultsOf(make: () => unknown): string[] {
  try {
    make()
  } catch (err) {
    if (!(err instanceof OptionsError)) throw err
    return err.faults.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

const faultsIn = (...schema: object[]): string[] => faultsOf(() => checkOptions({ schema }))

const ends = ({ entries }: Options) =>
  entries.map(entry => {
    if (entry.mode === 'server') return [entry.proto, entry.port, entry.host]
    return [entry.proto, entry.port, entry.localHost, entry.localPort, entry.socketMode]
  })

test('a socket is the target of a port, or takes the place of a local one', { skip }, () => {
  const schema = [
    server,
    { ...client, localHost: 'unix:/run/other.sock', socketMode: '0660' },
    { ...client, proto: 'tcpudp', localHost: 'unix:/run/third.sock' }
  ]
  assert.deepEqual(ends(checkOptions({ schema })), [
    ['tcp', 80, SOCKET],
    ['tcp', 80, 'unix:/run/other.sock', 0, 0o660],
    ['tcpudp', 80, 'unix:/run/third.sock', 0, undefined]
  ])
})

test('faults of a socket are reported by path', { skip }, () => {
  const tells = (schema: object[], ...expected: RegExp[]): void => {
    const faults = faultsIn(...schema)
    assert.equal(faults.length, expected.length, faults.join('\n'))
    for (const [i, fault] of faults.entries()) assert.match(fault, expected[i]!)
  }
  tells([{ ...server, proto: 'udp' }], /^schema\[0\]\.host: .*carries tcp and tcpudp, but this is udp/)
  tells([{ ...server, proto: undefined }], /^schema\[0\]\.host: .*this is udp/)
  tells(
    [{ ...client, proto: 'tcp+udp' }],
    /^schema\[0\]\.localHost: .*this is tcp\+udp/,
    /^schema\[0\]\.localHost: .*its own/
  )
  tells([{ ...server, host: 'unix:app.sock' }], /^schema\[0\]\.host: .*whole path/)
  tells([{ ...server, playerAddresses: true }], /^schema\[0\]\.playerAddresses: /)
  tells(
    [{ ...server, port: '80,443' }],
    /^schema\[0\]\.host: .*port 443, and this entry shares it as port 80/
  )
  tells([server, { ...server, port: 443 }], /^schema\[1\]\.host: .*schema\[0\] shares it as port 80/)
  tells([{ ...client, port: '80,443' }], /^schema\[0\]\.localHost: .*tcp port 443, and this entry/)
  tells([{ ...client, proto: 'tcp+tcpudp' }], /^schema\[0\]\.localHost: .*tcpudp port 80, and this entry/)
  tells([client, { ...client, port: 81 }], /^schema\[1\]\.localHost: .*schema\[0\] listens on it/)
  tells([{ ...client, localPort: 8080 }], /^schema\[0\]\.localPort: .*no port/)
  tells([{ ...client, socketMode: '999' }], /^schema\[0\]\.socketMode: .*octal/)
  tells([{ ...client, localHost: '127.0.0.1', socketMode: '0660' }], /^schema\[0\]\.socketMode: goes with/)
  tells([server, { ...client, publicKey: undefined, publicKey_: 1 }], /publicKey/, /publicKey_/)
})

test('one socket may be the target under several secrets, and of one port by two protocols', { skip }, () => {
  assert.deepEqual(faultsIn(server, { ...server, secret: `${secret}2` }), [])
  assert.deepEqual(faultsIn({ ...server, proto: 'tcp+tcpudp' }), [])
})

test('the same by flags', { skip }, async () => {
  const shared = await runOnce(['server', '-p', '80/tcp', '--host', SOCKET, '-s', secret])
  assert.deepEqual(ends(shared.options!), [['tcp', 80, SOCKET]])
  const words = ['client', '-r', '80/tcp', '-k', publicKey, '--local-host', SOCKET, '--socket-mode', '660']
  assert.deepEqual(ends((await runOnce(words)).options!), [['tcp', 80, SOCKET, 0, 0o660]])
  const faulty = await runOnce(['client', '-r', '80/udp', '-k', publicKey, '--local-host', SOCKET])
  assert.match(faulty.err, /--local-host.*carries tcp/)
  const forward = await forwardOptions([`${SOCKET}:${publicKey}:80`], {})
  assert.deepEqual(ends(forward), [['tcp', 80, SOCKET, 0, undefined]])
})

test('join opens one port of a ticket as a socket, and keeps it so', { skip }, () => {
  const maps = [
    { proto: 'tcp', port: 80, name: 'web' },
    { proto: 'udp', port: 90 }
  ] as const
  const ticket = encodeTicket({ publicKey: decodeKey(publicKey), maps, bootstrap: [], relays: [] })
  const options = joinOptions({ ticket, only: ['web'], localHost: SOCKET, socketMode: '0666' })
  assert.deepEqual(ends(options), [['tcp', 80, SOCKET, 0, 0o666]])
  assert.match(
    faultsOf(() => joinOptions({ ticket, only: ['web'], localHost: SOCKET, localPorts: '80' })).join(),
    /^-l: cannot be combined with a socket/
  )
  assert.match(
    faultsOf(() => joinOptions({ ticket, localHost: SOCKET })).join(),
    /^--local-host: .*carries tcp/
  )
  const opened = options.entries as readonly ClientEntry[]
  const kept = joinEntries(ticket, decodeTicket(ticket), opened, { localHost: SOCKET, socketMode: '0666' })
  assert.deepEqual(ends(checkOptions({ schema: kept })), [['tcp', 80, SOCKET, 0, 0o666]])
})

test('faults of library arguments are reported by path, too', { skip }, () => {
  const share = (map: object) =>
    faultsOf(() => checkShare({ secret, maps: [{ proto: 'tcp', port: 80, ...map }] }))
  const open = (map: object) =>
    faultsOf(() => checkOpen({ publicKey, maps: [{ proto: 'tcp', port: 80, ...map }] }))
  assert.deepEqual([...share({ host: SOCKET }), ...open({ localHost: SOCKET, socketMode: 0o660 })], [])
  assert.match(share({ host: 'unix:x' }).join(), /^maps\[0\]\.host: .*whole path/)
  assert.match(share({ host: SOCKET, proto: 'udp' }).join(), /^maps\[0\]\.host: .*carries tcp/)
  assert.match(open({ localHost: SOCKET, proto: 'udp' }).join(), /^maps\[0\]\.localHost: .*carries tcp/)
  assert.match(open({ localHost: SOCKET, localPort: 8080 }).join(), /^maps\[0\]\.localPort: .*no port/)
  assert.match(open({ localHost: SOCKET, socketMode: 0o1000 }).join(), /^maps\[0\]\.socketMode: /)
})
