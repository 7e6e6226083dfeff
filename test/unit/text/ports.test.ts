import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPorts, PORTS_MAX, PORTS_PATTERN, parsePorts, splitPorts } from '../../../src/text/ports.js'

const VALID: [unknown, number[]][] = [
  [1, [1]],
  [65535, [65535]],
  ['3000', [3000]],
  ['03000', [3000]],
  ['80,443', [80, 443]],
  ['80 443', [80, 443]],
  [' 80 , 443 ', [80, 443]],
  ['27015-27017', [27015, 27016, 27017]],
  ['27015 - 27017', [27015, 27016, 27017]],
  ['3000,3001-3003', [3000, 3001, 3002, 3003]],
  ['5-5', [5]],
  ['80,80', [80, 80]],
  ['80,', [80]],
  [`1-${PORTS_MAX}`, Array.from({ length: PORTS_MAX }, (_, i) => i + 1)]
]

for (const [written, expected] of VALID) {
  test(`reads ${JSON.stringify(written)}`, () => assert.deepEqual(parsePorts(written), { ports: expected }))
}

const INVALID: [unknown, RegExp][] = [
  [0, /^has 0, which is not a port; a port is a whole number from 1 to 65535, a list/],
  [65536, /has 65536/],
  [-1, /has -1/],
  [1.5, /has 1.5/],
  [Number.NaN, /has null|has NaN/],
  [undefined, /^is missing/],
  [null, /^is null/],
  [{}, /^is an object/],
  [[80], /^is a JSON list; write several ports in one string/],
  ['', /^is empty/],
  [' , ', /^is empty/],
  ['abc', /^has "abc", which is not a port/],
  ['80-', /has "80-"/],
  ['-80', /has "-80"/],
  ['1-2-3', /has "1-2-3"/],
  ['0x50', /has "0x50"/],
  ['1e3', /has "1e3"/],
  ['80;443', /has "80;443"/],
  ['0', /has "0"/],
  ['1-70000', /has "1-70000"/],
  ['9-8', /runs backwards; write 8-9/],
  ['a,b,c,d,e,f', /has "a", "b", "c", "d", "e", .., which are not ports/],
  [`1-${PORTS_MAX + 1}`, /more than 4096 ports/],
  ['1-4000,1-4000', /more than 4096 ports/],
  ['\u0661', /has "\\u0661"/]
]

for (const [written, message] of INVALID) {
  test(`refuses ${JSON.stringify(written) ?? 'undefined'}`, () => {
    const result = parsePorts(written)
    assert.ok('fault' in result)
    assert.match(result.fault, message)
  })
}

test('0 is any free port where there is such a thing, but no end of a range', () => {
  assert.deepEqual(parsePorts(0, 0), { ports: [0] })
  assert.deepEqual(parsePorts('0,0,5', 0), { ports: [0, 0, 5] })
  assert.ok('fault' in parsePorts('0-5', 0))
})

test('a list stays in its pieces', () => {
  assert.deepEqual(splitPorts(' 80, 90 - 92 100'), ['80', '90-92', '100'])
})

test('formats runs as ranges', () => {
  assert.equal(formatPorts([80, 443, 444, 445, 81, 80, 0, 1]), '80,443-445,81,80,0,1')
})

const someText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'0123456789,- \t\n+.ex'), maxLength: 40 })
)

test('any text gives ports in range or a fault in ASCII, and editors agree with it', () => {
  fc.assert(
    fc.property(someText, fc.constantFrom(0 as const, 1 as const), (text, smallest) => {
      const result = parsePorts(text, smallest)
      if ('ports' in result) {
        assert.ok(result.ports.length > 0 && result.ports.length <= PORTS_MAX)
        for (const port of result.ports)
          assert.ok(Number.isInteger(port) && port >= smallest && port <= 65535)
        assert.match(text, PORTS_PATTERN)
      } else {
        assert.match(result.fault, /^[\x20-\x7e]+$/)
      }
    }),
    { numRuns: 20_000 }
  )
})

test('any value at all gives ports or a fault', () => {
  fc.assert(fc.property(fc.anything(), value => void parsePorts(value)))
})

test('what is formatted is read back', () => {
  const ports = fc.array(fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 50 })
  fc.assert(fc.property(ports, list => assert.deepEqual(parsePorts(formatPorts(list)), { ports: list })))
})
