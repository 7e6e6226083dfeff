import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptionsError } from '../../../src/errors.js'
import { parseOptions } from '../../../src/options/file.js'
import { root } from '../root.js'
import { describe } from './describe.js'

const folder = join(root, 'test', 'unit', 'options')

const VALID: Record<string, string[]> = {
  'ports.json': [
    'schema[0]: server tcp 80 at 127.0.0.1',
    'schema[0]: server tcp 443 at 127.0.0.1',
    'schema[0]: server tcp 8000 at 127.0.0.1',
    'schema[0]: server tcp 8001 at 127.0.0.1',
    'schema[0]: server tcp 8002 at 127.0.0.1',
    'schema[1]: server tcp 53 at 127.0.0.1',
    'schema[1]: server udp 53 at 127.0.0.1',
    'schema[2]: client udp 80 from 127.0.0.1 0 of EPkmaN7v..',
    'schema[2]: client udp 81 from 127.0.0.1 0 of EPkmaN7v..',
    'schema[3]: client udp 1 from 127.0.0.1 0 of EPkmaN7v..',
    'schema[3]: client udp 2 from 127.0.0.1 9 of EPkmaN7v..',
    'schema[4]: client udp 27015 from 127.0.0.1 27015 of EPkmaN7v..',
    'schema[5]: client tcpudp 8080 from 127.0.0.1 9080 of EPkmaN7v..',
    'schema[5]: client tcpudp 8081 from 127.0.0.1 9081 of EPkmaN7v..'
  ],
  'hosts.json': [
    'schema[0]: server udp 1 at fd00::20',
    'schema[1]: server udp 2 at fe80::1%eth0',
    'schema[2]: server udp 3 at nas.local',
    'schema[3]: server udp 4 at my_pc',
    'schema[4]: server udp 5 at b\u00fccher.example',
    'schema[5]: client udp 5 from ::1 5 of EPkmaN7v..',
    'schema[6]: client udp 5 from 127.0.0.1 5 of EPkmaN7v..',
    'schema[7]: client udp 5 from 127.0.0.2 5 of EPkmaN7v..'
  ],
  'features.json': [
    'schema[0]: server tcp 1 at localhost playerAddresses proxyProtocol',
    'schema[0]: server udp 1 at localhost playerAddresses duplicate',
    'schema[1]: server udp 2 at 127.0.0.1',
    'schema[2]: client tcp 1 from 127.0.0.1 9 of EPkmaN7v..',
    'schema[2]: client udp 1 from 127.0.0.1 9 of EPkmaN7v.. duplicate failover'
  ],
  'guests.json': [
    'schema[0]: server tcp 25565 at 127.0.0.1 "My game"',
    'schema[1]: server tcp 19132 at 127.0.0.1',
    'schema[1]: server udp 19132 at 127.0.0.1',
    'schema[1]: server tcp 8000 at 127.0.0.1',
    'schema[1]: server udp 8000 at 127.0.0.1',
    'schema[2]: server udp 1 at 127.0.0.1'
  ],
  'several-of-everything.json': [
    'schema[0]: server udp 3000 at 127.0.0.1 "a game"',
    'schema[1]: server udp 3000 at 127.0.0.1',
    'schema[2]: client udp 3000 from 127.0.0.1 3000 of EPkmaN7v..',
    'schema[3]: client udp 3000 from 127.0.0.1 3001 of DHUJWe9K..'
  ]
}

test('every valid file has its expectation, and the other way round', () => {
  assert.deepEqual(readdirSync(join(folder, 'valid')).sort(), Object.keys(VALID).sort())
})

for (const [name, expected] of Object.entries(VALID)) {
  test(`valid: ${name}`, () => assert.deepEqual(describe(parseOptions(read('valid', name))), expected))
}

test('guests of one secret go together, with the maps of all of its entries', () => {
  const { entries } = parseOptions(read('valid', 'guests.json'))
  const [first, second, third, , , other] = entries.map(entry => entry.mode === 'server' && entry.access)
  assert.ok(first && other)
  assert.equal(second, first)
  assert.equal(third, first)
  assert.equal(first.private, true)
  assert.deepEqual(
    first.allow.map(({ name }) => name),
    [undefined, 'Carl']
  )
  const [anna, ben] = first.invites
  assert.deepEqual(anna, { name: 'Anna', nonce: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex') })
  assert.deepEqual(
    ben!.maps!.map(({ proto, port }) => `${proto} ${port}`),
    ['tcp 25565', 'udp 19132', 'tcp 8000', 'udp 8000']
  )
  assert.equal(ben!.expires, Date.parse('2030-12-31T18:00:00Z'))
  assert.equal(ben!.maxDevices, 2)
  assert.deepEqual([other.private, other.allow, other.invites.length], [false, [], 1])
})

test('the numbers of a file arrive', () => {
  const { network, limits } = parseOptions(read('valid', 'several-of-everything.json'))
  assert.deepEqual(network, {
    bootstrap: ['127.0.0.1:49737', '203.0.113.7@dht.example.org:49737'],
    portMapping: false
  })
  assert.deepEqual(limits, {
    udpIdleSeconds: 60,
    resumeSeconds: 0,
    sessions: 20,
    flowsPerSecond: 0,
    guestBytesPerSecond: 1_000_000
  })
})

const invalid = readdirSync(join(folder, 'invalid'))

test('there are invalid files', () => assert.ok(invalid.length >= 20, `only ${invalid.length}`))

// Each starts with its faults, one comment for each: `// path: a part of the message`, or the message alone.
for (const name of invalid) {
  test(`invalid: ${name}`, () => {
    const text = read('invalid', name)
    const expected = [...text.matchAll(/^\/\/ (.*)$/gm)].map(match => match[1]!)
    const found = faultsOf(text)
    const unseen = [...found]
    for (const one of expected.length > 0 ? expected : ['there is nothing in it']) {
      const at = unseen.findIndex(fault => matches(fault, one))
      assert.notEqual(at, -1, `expected\n  ${one}\nfound\n  ${found.join('\n  ')}`)
      unseen.splice(at, 1)
    }
    assert.deepEqual(unseen, [], 'faults that nobody expected')
  })
}

/** The place must be the whole place, the message may be a part. */
function matches(fault: string, expected: string): boolean {
  const [place] = /^(line \d+, column \d+|[\w$.[\]" ]+?): /.exec(expected) ?? ['']
  return fault.startsWith(place) && fault.slice(place.length).includes(expected.slice(place.length))
}

function faultsOf(text: string): string[] {
  try {
    parseOptions(text)
  } catch (err) {
    assert.ok(err instanceof OptionsError, String(err))
    assert.equal(err.code, 'BAD_OPTIONS')
    assert.match(err.message, /^[\x20-\x7e\n]+$/)
    return err.faults.map(({ path, message }) => (path ? `${path}: ${message}` : message))
  }
  throw new Error('no fault was found')
}

function read(kind: 'valid' | 'invalid', name: string): string {
  return readFileSync(join(folder, kind, name), 'utf8')
}
