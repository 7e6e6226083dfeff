import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  clientsOf,
  isSameAccess,
  serversOf,
  settingsToRestart,
  sharesTheSame,
  without
} from '../../../src/options/changes.js'
import type { Options } from '../../../src/options/entry.js'
import { parseOptions } from '../../../src/options/file.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'

function options(schema: readonly object[], more: object = {}): Options {
  return parseOptions(JSON.stringify({ schema, ...more }))
}

const server = (port: number | string, more: object = {}) => ({
  mode: 'server',
  proto: 'tcp',
  secret: 'a long text that nobody guesses',
  port,
  ...more
})
const client = (port: number, localPort: number, more: object = {}) => ({
  mode: 'client',
  proto: 'tcp',
  publicKey: KEY,
  port,
  localPort,
  ...more
})

test('entries of one secret, and of one server, belong together', () => {
  const other = { secret: 'another long text that nobody guesses' }
  const read = options([server('1-2'), client(5, 6), server(1, other), server(3), client(7, 8)])
  assert.deepEqual(
    serversOf(read).map(({ entries }) => entries.map(({ port }) => port)),
    [[1, 2, 3], [1]]
  )
  assert.deepEqual(
    clientsOf(read).map(({ publicKey, entries }) => [publicKey, entries.length]),
    [[KEY, 2]]
  )
})

test('a map is the same wherever it stands, and another one when it leads elsewhere', () => {
  const before = options([server(1), server(2), client(5, 6), client(7, 0), client(8, 0)]).entries
  const after = options([
    client(7, 0),
    client(8, 0),
    client(5, 60),
    server(2, { host: 'nas' }),
    server(1, { name: 'x' })
  ]).entries
  const shown = (entries: typeof before) => entries.map(one => `${one.mode} ${one.port}`)
  assert.deepEqual(shown(without(after, before)), ['client 5', 'server 2'])
  assert.deepEqual(shown(without(before, after)), ['server 2', 'client 5'])
  assert.deepEqual(without(before, before), [])
})

test('one of two equal maps that goes is one that is gone', () => {
  const two = options([client(7, 0), client(7, 0)]).entries
  assert.equal(without(two, two.slice(1)).length, 1)
})

test('a name is in the ticket, access is not', () => {
  const entries = (more: object) => serversOf(options([server(1, more)]))[0]!.entries
  assert.ok(sharesTheSame(entries({}), entries({ private: true })))
  assert.ok(!sharesTheSame(entries({}), entries({ name: 'My game' })))
  assert.ok(isSameAccess(entries({ allow: [KEY] })[0]!.access, entries({ allow: [KEY] })[0]!.access))
  assert.ok(!isSameAccess(entries({ allow: [KEY] })[0]!.access, entries({})[0]!.access))
})

test('settings that need a node of their own are named', () => {
  const plain = options([server(1)])
  assert.deepEqual(settingsToRestart(plain, options([server(2)])), [])
  const all = options([server(1)], {
    network: { portMapping: false },
    identity: 'me',
    control: false,
    udpIdle: 5,
    resume: 6
  })
  assert.deepEqual(settingsToRestart(plain, all), ['network', 'identity', 'control', 'udpIdle', 'resume'])
  assert.deepEqual(settingsToRestart(all, all), [])
})

test('a part in the LAN list that comes or goes is a change', () => {
  const hosting = { mode: 'server', secret: 'a long text that nobody guesses', game: 'openarena' }
  const shared = (more: object) => serversOf(options([{ ...hosting, ...more }]))[0]!.entries
  assert.ok(sharesTheSame(shared({}), shared({ discovery: true })))
  assert.ok(!sharesTheSame(shared({}), shared({ discovery: false })))
  const opened = (more: object) =>
    options([{ mode: 'client', publicKey: KEY, game: 'openarena', ...more }]).entries
  assert.equal(without(opened({}), opened({ discovery: true })).length, 0)
  assert.equal(without(opened({}), opened({ discovery: false })).length, 1)
})

test('of thousands of maps, each is compared with those of its ports alone', () => {
  let looks = 0
  const counted = (host: string) =>
    options([server('1-100', { host }), client(5, 6), client(5, 7)]).entries.map(entry =>
      Object.defineProperty({ ...entry }, 'path', {
        enumerable: true,
        get: () => {
          looks++
          return entry.path
        }
      })
    )
  assert.equal(without(counted('nas'), counted('127.0.0.1')).length, 100)
  assert.ok(looks < 1000, `${looks} looks`)
})
