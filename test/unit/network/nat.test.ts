import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mappingOf, type NatFacts, natOf, type Observation } from '../../../src/network/nat.js'

const WAN = '203.0.113.9'
const LAN = '192.168.1.20'

/** One observation for each `node address = address:port as it saw us`. */
function seen(...pairs: string[]): Observation[] {
  return pairs.map(pair => {
    const [by = '', what = ''] = pair.split('=')
    const [host = '', port = ''] = what.split(':')
    return { by, host, port: Number(port) }
  })
}

function facts(observations: Observation[], more: Partial<NatFacts> = {}): NatFacts {
  return { observations, own: ['127.0.0.1', LAN], open: false, acceptsUnsolicited: false, ...more }
}

const SAME = seen(`a=${WAN}:4000`, `b=${WAN}:4000`, `c=${WAN}:4000`, `d=${WAN}:4000`)
const OTHERS = seen(`a=${WAN}:4000`, `b=${WAN}:4001`, `c=${WAN}:4002`, `d=${WAN}:4003`)

const MAPPINGS: readonly (readonly [string, Observation[], ReturnType<typeof mappingOf>])[] = [
  ['the same for all', SAME, 'constant'],
  ['another for each', OTHERS, 'changing'],
  [
    'one that was forgotten in between, or one liar',
    seen(...['a', 'b', 'c'].map(n => `${n}=${WAN}:1`), `d=${WAN}:2`),
    'constant'
  ],
  ['two by two', seen(`a=${WAN}:1`, `b=${WAN}:1`, `c=${WAN}:2`, `d=${WAN}:2`), 'changing'],
  ['two that agree', seen(`a=${WAN}:1`, `b=${WAN}:1`), 'constant'],
  ['two that do not', seen(`a=${WAN}:1`, `b=${WAN}:2`), 'changing'],
  ['two of three', seen(`a=${WAN}:1`, `b=${WAN}:1`, `c=${WAN}:2`), 'changing'],
  ['one node', seen(`a=${WAN}:1`), 'unknown'],
  ['two nodes at one address that agree', seen(`a=${WAN}:1`, `a=${WAN}:1`), 'unknown'],
  ['two nodes at one address that do not', seen(`a=${WAN}:1`, `a=${WAN}:2`), 'changing'],
  [
    'a port kept for all ports of one partner only',
    seen(...['a', 'a', 'a', 'a', 'a', 'a', 'a'].map(n => `${n}=${WAN}:1`), `b=${WAN}:2`),
    'changing'
  ],
  ['another address for each', seen('a=203.0.113.1:7', 'b=203.0.113.2:7', 'c=203.0.113.3:7'), 'changing']
]

for (const [what, observations, expected] of MAPPINGS) {
  test(`ports: ${what}`, () => assert.equal(mappingOf(observations), expected))
}

test('kinds of NAT', () => {
  assert.equal(natOf(facts(SAME)).kind, 'cone')
  assert.equal(natOf(facts(SAME, { acceptsUnsolicited: null })).kind, 'cone')
  assert.equal(natOf(facts(SAME, { acceptsUnsolicited: true })).kind, 'full-cone')
  assert.equal(natOf(facts(OTHERS)).kind, 'symmetric')
  assert.equal(natOf(facts(OTHERS, { open: true })).kind, 'open')
  assert.equal(natOf(facts(SAME, { own: [WAN], open: true })).kind, 'open')
  assert.equal(natOf(facts(SAME, { own: [WAN] })).kind, 'firewall')
})

test('whether a router translates, and as whom others see us', () => {
  const behind = natOf(facts([...SAME, ...seen('e=203.0.113.77:4000')]))
  assert.equal(behind.translated, true)
  assert.deepEqual(behind.publicAddresses, [WAN, '203.0.113.77'])
  const open = natOf(facts(SAME, { own: [LAN, WAN], open: true }))
  assert.deepEqual([open.translated, open.publicAddresses], [false, [WAN]])
})

test('what cannot be known is not said', () => {
  assert.deepEqual(natOf(facts([])), {
    kind: 'unknown',
    unknown: 'no-answer',
    publicAddresses: [],
    translated: null
  })
  const inside = seen(`a=${LAN}:4000`, `b=${LAN}:4000`, 'c=127.0.0.1:4000')
  // Reached by neighbours is not reached by everybody.
  assert.equal(natOf(facts(inside, { open: true })).unknown, 'inside')
  const oneHost = natOf(facts(seen(`a=${WAN}:4000`, `a=${WAN}:4000`)))
  assert.deepEqual([oneHost.kind, oneHost.unknown, oneHost.publicAddresses], ['unknown', 'one-host', [WAN]])
})

test('nodes in the house say nothing about the router, whatever they are beside', () => {
  const mixed = [...seen(`x=${LAN}:4000`, `y=${LAN}:4000`, `z=${LAN}:4000`), ...OTHERS]
  assert.equal(natOf(facts(mixed)).kind, 'symmetric')
  assert.deepEqual(natOf(facts(mixed)).publicAddresses, [WAN])
})
