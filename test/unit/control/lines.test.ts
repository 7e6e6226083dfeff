import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineReader } from '../../../src/control/lines.js'

function reader(max: number) {
  const lines: string[] = []
  let long = 0
  const it = new LineReader(
    max,
    line => lines.push(line),
    () => long++
  )
  return { it, lines, long: () => long }
}

test('lines come whole however their bytes are cut', () => {
  const text = Buffer.from('{"a":1}\n\n{"b":"\u00e4\u00f6"}\r\n{"c":3}\n rest')
  for (let size = 1; size <= text.length; size++) {
    const { it, lines } = reader(20)
    for (let at = 0; at < text.length; at += size) it.push(text.subarray(at, at + size))
    assert.deepEqual(
      lines.map(line => line.trim()),
      ['{"a":1}', '{"b":"\u00e4\u00f6"}', '{"c":3}'],
      `in pieces of ${size}`
    )
  }
})

test('a line of the largest size is read, after a longer one nothing is', () => {
  for (const size of [1, 3, 100]) {
    const { it, lines, long } = reader(5)
    const text = Buffer.from('12345\n123456\n1\n')
    for (let at = 0; at < text.length; at += size) it.push(text.subarray(at, at + size))
    assert.deepEqual(lines, ['12345'])
    assert.equal(long(), 1)
  }
})

test('a line without an end is refused as soon as it is too long', () => {
  const { it, lines, long } = reader(1000)
  for (let i = 0; i < 11; i++) it.push(Buffer.alloc(100, 'x'))
  assert.equal(long(), 1)
  assert.deepEqual(lines, [])
})
