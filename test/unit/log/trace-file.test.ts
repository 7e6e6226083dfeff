import assert from 'node:assert/strict'
import fs, { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TraceFile } from '../../../src/log/trace-file.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

function traceFor(t: TestContext, limit = 1e6) {
  const folder = mkdtempSync(join(tmpdir(), 'hn-trace-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'trace.sqlog')
  const clock = new VirtualClock()
  const ends: unknown[] = []
  const deps = { clock, startedAt: 0, version: '2.0.0', limit, onend: (why: unknown) => void ends.push(why) }
  const records = (): Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .split('\u001e')
      .slice(1)
      .map(record => JSON.parse(record))
  return { path, clock, ends, records, file: new TraceFile(path, deps), deps }
}

test('a trace begins with the header of qlog, and has an event a line, with its time', t => {
  const { path, clock, file, records } = traceFor(t)
  clock.run(12.3456)
  file.trace('recovery:metrics_updated', 'a/1', { smoothed_rtt: 20 })
  file.close()
  const [header, event, ...more] = records()
  assert.equal(header!.serialization_format, 'application/qlog+json-seq')
  assert.deepEqual(event, {
    time: 12.346,
    name: 'recovery:metrics_updated',
    group_id: 'a/1',
    data: { smoothed_rtt: 20 }
  })
  assert.deepEqual(more, [])
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('events are written within half a second, and none after the end', t => {
  const { clock, file, records } = traceFor(t)
  file.trace('x', 'a', {})
  assert.equal(records().length, 1)
  clock.run(500)
  assert.equal(records().length, 2)
  file.close()
  file.trace('y', 'a', {})
  assert.equal(records().length, 2)
})

test('a trace that is full ends, says so once, and stays readable', t => {
  const { clock, ends, file, records } = traceFor(t, 2000)
  for (let i = 0; i < 100; i++) {
    file.trace('x', 'a', { text: 'x'.repeat(100) })
    clock.run((i + 1) * 500)
  }
  assert.deepEqual(ends, ['full'])
  assert.ok(records().length > 3)
  assert.equal(clock.pending, 0)
})

test('a folder that is missing is an error of the system', t => {
  const { path, deps } = traceFor(t)
  const missing = join(path, 'missing', 'trace')
  assert.throws(() => new TraceFile(missing, deps), { code: /ENOTDIR|ENOENT/ })
  assert.ok(!existsSync(missing))
})

test('a trace whose file is closed with an error ends as any other', t => {
  const { clock, ends, file } = traceFor(t, 1000)
  const { closeSync: close } = fs
  t.mock.method(fs, 'closeSync', (fd: number) => {
    close(fd)
    throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  file.trace('x', 'a', { text: 'x'.repeat(1000) })
  clock.run(500)
  assert.deepEqual(ends, ['full'])
  file.close()
})
