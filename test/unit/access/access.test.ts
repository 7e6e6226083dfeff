import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Access, type Grant, mayUse, refuseDevice, sameMaps } from '../../../src/access/access.js'
import { HyperNatError } from '../../../src/errors.js'
import { type AccessRules, OPEN } from '../../../src/identity/access-rules.js'
import { GuestKey } from '../../../src/identity/guest.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { LIMITS } from '../../../src/limits.js'

const SERVER = keyPairOf(new Secret('mysecret'))
const STRANGER = keyPairOf(new Secret('a stranger')).publicKey
const FRIEND = keyPairOf(new Secret('a friend')).publicKey
const BLOCKED = keyPairOf(new Secret('an intruder')).publicKey
const NONCE = Buffer.alloc(16, 1)
const NOW = Date.parse('2030-01-01T00:00:00Z')

const RULES: AccessRules = {
  private: true,
  allow: [{ publicKey: FRIEND, name: 'Carl' }],
  invites: [
    { name: 'Anna', nonce: NONCE },
    {
      name: 'Ben',
      nonce: NONCE,
      maps: [{ proto: 'tcp', port: 80 }],
      expires: NOW + 1000,
      maxDevices: 2
    }
  ],
  block: [{ publicKey: BLOCKED }]
}
const ANNA = GuestKey.of(SERVER, 'Anna', NONCE).publicKey
const BEN = GuestKey.of(SERVER, 'Ben', NONCE).publicKey

/** Their name, or why not. */
function verdict(rules: AccessRules, key: Uint8Array, now = NOW): string | undefined {
  const result = new Access(rules, SERVER).judge(key, now)
  return result instanceof HyperNatError ? result.code : result.name
}

function grant(rules: AccessRules, key: Uint8Array): Grant {
  const result = new Access(rules, SERVER).judge(key, NOW)
  assert.ok(!(result instanceof HyperNatError))
  return result
}

// [who, key, at a private server, at a public one, a second later at either]
const VERDICTS: [string, Uint8Array, string, string | undefined, [string, string | undefined]][] = [
  ['a guest', ANNA, 'Anna', 'Anna', ['Anna', 'Anna']],
  ['a guest for a while', BEN, 'Ben', 'Ben', ['INVITE_EXPIRED', 'INVITE_EXPIRED']],
  ['an allowed key', FRIEND, 'Carl', 'Carl', ['Carl', 'Carl']],
  ['a blocked key', BLOCKED, 'NOT_INVITED', 'NOT_INVITED', ['NOT_INVITED', 'NOT_INVITED']],
  ['a stranger', STRANGER, 'NOT_INVITED', undefined, ['NOT_INVITED', undefined]],
  [
    'an older invite',
    GuestKey.of(SERVER, 'Anna', Buffer.alloc(16)).publicKey,
    'NOT_INVITED',
    undefined,
    ['NOT_INVITED', undefined]
  ]
]

for (const [who, key, atPrivate, atPublic, later] of VERDICTS) {
  test(`${who} is judged`, () => {
    const open = { ...RULES, private: false }
    assert.equal(verdict(RULES, key), atPrivate)
    assert.equal(verdict(open, key), atPublic)
    assert.deepEqual([verdict(RULES, key, NOW + 1000), verdict(open, key, NOW + 1000)], later)
    const hidden = new Access(RULES, SERVER).hides(key, NOW + 1000)
    assert.equal(hidden, later[0] === 'NOT_INVITED' || later[0] === 'INVITE_EXPIRED')
    assert.equal(new Access(open, SERVER).hides(key, NOW + 1000), false)
  })
}

test('the server of another secret knows none of these guests', () => {
  const other = new Access(RULES, keyPairOf(new Secret('another')))
  assert.ok(other.judge(ANNA, NOW) instanceof HyperNatError)
})

test('without rules everybody comes in, to every port map', () => {
  assert.equal(verdict(OPEN, STRANGER), undefined)
  for (const proto of ['tcp', 'udp', 'tcpudp'] as const) {
    for (const port of [1, 80, 65_535]) assert.ok(mayUse(grant(OPEN, STRANGER), { proto, port }))
  }
})

test('a guest may use its maps, in their protocol, and devices up to the limit', () => {
  const ben = grant(RULES, BEN)
  assert.ok(mayUse(ben, { proto: 'tcp', port: 80 }))
  assert.ok(!mayUse(ben, { proto: 'udp', port: 80 }))
  assert.ok(!mayUse(ben, { proto: 'tcp', port: 81 }))
  assert.ok(mayUse(grant(RULES, ANNA), { proto: 'tcp', port: 81 }))
  assert.equal(refuseDevice(ben, 1, 1), null)
  const { guestSessions: most } = LIMITS
  assert.equal(most, 32, 'as docs/security.md says')
  assert.equal(refuseDevice(ben, 2, most)?.code, 'TOO_MANY_DEVICES')
  for (const anybody of [grant(RULES, ANNA), grant(OPEN, STRANGER)]) {
    assert.equal(refuseDevice(anybody, most - 1, most), null)
    assert.equal(refuseDevice(anybody, most, most)?.code, 'TOO_MANY_DEVICES')
  }
})

test('maps are compared whatever their order', () => {
  const withMaps = (maps: AccessRules['invites'][number]['maps']): Grant =>
    grant({ ...RULES, invites: [{ name: 'Anna', nonce: NONCE, ...(maps && { maps }) }] }, ANNA)
  const a = { proto: 'tcp', port: 80 } as const
  const b = { proto: 'udp', port: 80 } as const
  assert.ok(sameMaps(withMaps([a, b]), withMaps([b, a])))
  assert.ok(!sameMaps(withMaps([a, b]), withMaps([a])))
  assert.ok(!sameMaps(withMaps([a]), withMaps([b])))
  assert.ok(!sameMaps(withMaps(undefined), withMaps([a])))
  assert.ok(sameMaps(withMaps(undefined), withMaps(undefined)))
})
