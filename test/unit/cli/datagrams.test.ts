import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { carryDatagrams, DatagramReader, framed } from '../../../src/cli/datagrams.js'

test('datagrams are cut by their lengths or by lines, however the bytes come', () => {
  const lengths = Buffer.concat(['a', '', 'bc\n'].map(text => framed(Buffer.from(text), 'lengths')))
  const lines = Buffer.from('a\n\nbc\nlast')
  for (const [framing, bytes, expected, last] of [
    ['lengths', lengths, ['a', '', 'bc\n'], undefined],
    ['lines', lines, ['a', '', 'bc'], 'last']
  ] as const) {
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new DatagramReader(framing)
      const got: string[] = []
      for (let at = 0; at < bytes.length; at += size)
        got.push(...reader.push(bytes.subarray(at, at + size)).map(String))
      assert.deepEqual(got, expected, `${framing} in pieces of ${size}`)
      assert.equal(reader.end()?.toString(), last)
    }
  }
})

test('what UDP cannot carry, and what is cut off, is a coded error', () => {
  const bad = { code: 'BAD_REQUEST' }
  assert.equal(new DatagramReader('lengths').push(framed(Buffer.alloc(65_507), 'lengths')).length, 1)
  assert.throws(() => new DatagramReader('lengths').push(Buffer.from([0xff, 0xff])), bad)
  // A line without an end is refused as soon as it is too long.
  assert.throws(() => new DatagramReader('lines').push(Buffer.alloc(65_508)), bad)
  const reader = new DatagramReader('lengths')
  reader.push(Buffer.from([0, 2, 1]))
  assert.throws(() => reader.end(), bad)
})

class Echo extends EventEmitter {
  closed = false
  send(payload: Uint8Array): void {
    this.emit('message', Buffer.from(payload).reverse())
  }
  close(): void {
    if (this.closed) return
    this.closed = true
    this.emit('close')
  }
}

function pipes() {
  const [input, output] = [new PassThrough(), new PassThrough()]
  return {
    input,
    output,
    isTerminal: false,
    closeOutput: async () => {
      output.end()
    }
  }
}

test('after the end of stdin, answers have a while to come', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const echo = new Echo()
  const ends = pipes()
  const done = carryDatagrams(echo, ends, 'lines')
  ends.input.end('ab\ncd')
  await once(ends.input, 'end')
  t.mock.timers.tick(1500)
  echo.emit('message', Buffer.from('late'))
  t.mock.timers.tick(1500)
  assert.ok(!echo.closed)
  t.mock.timers.tick(1000)
  await done
  assert.ok(echo.closed)
  assert.equal(String(ends.output.read()), 'ba\ndc\nlate\n')
})

test('stdin that breaks the rules ends it with an error', async () => {
  const echo = new Echo()
  const ends = pipes()
  const done = carryDatagrams(echo, ends, 'lengths')
  ends.input.write(Buffer.from([0xff, 0xff]))
  await assert.rejects(done, { code: 'BAD_REQUEST' })
  assert.ok(echo.closed)
})
