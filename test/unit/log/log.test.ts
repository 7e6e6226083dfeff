import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEventLog, createLog, type LogLevel } from '../../../src/log/log.js'

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

/** The levels of what arrived on stderr and in the file. */
function levels(shown: LogLevel, inFile?: LogLevel): { stderr: string[]; file: string[] } {
  const said = { stderr: [] as string[], file: [] as string[] }
  const into = (list: string[]) => (line: string) => void list.push(JSON.parse(line).level)
  const file = inFile && { level: inFile, write: into(said.file) }
  const log = createLog({ level: shown, json: true, write: into(said.stderr), file })
  for (const level of LEVELS) log[level]({ port: 1 }, 'a line')
  return said
}

test('stderr and the file have a level each', () => {
  for (const [i, shown] of LEVELS.entries()) {
    assert.deepEqual(levels(shown), { stderr: LEVELS.slice(0, i + 1), file: [] })
    for (const [j, inFile] of LEVELS.entries()) {
      assert.deepEqual(levels(shown, inFile), {
        stderr: LEVELS.slice(0, i + 1),
        file: LEVELS.slice(0, j + 1)
      })
    }
  }
})

test('text for people on stderr, JSON in the file', () => {
  const said = { stderr: '', file: '' }
  const file = { level: 'info', write: (line: string) => void (said.file += line) } as const
  createLog({ level: 'info', json: false, write: line => void (said.stderr += line), file }).info(
    { port: 1 },
    'opened'
  )
  assert.match(said.stderr, /^\d\d:\d\d:\d\d info {2}opened {2}port=1\n$/)
  assert.deepEqual(Object.keys(JSON.parse(said.file)), ['level', 'time', 'port', 'msg'])
})

test('events are logged by their weight', () => {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => void lines.push(JSON.parse(line))
  const all = createEventLog({ level: 'info', write })
  all({ event: 'metrics', url: 'http://x' })
  all({ event: 'ui', url: 'http://x/#token=y', once: 'file:///z' })
  all({ event: 'warning', code: 'A', message: 'a' })
  all({ event: 'error', code: 'B', message: 'b' })
  assert.deepEqual(
    lines.map(({ level, event }) => [level, event]),
    [
      ['info', 'metrics'],
      ['warn', 'warning'],
      ['error', 'error']
    ]
  )
  assert.ok(!JSON.stringify(lines).includes('token'), 'whoever has the link controls hyper-nat')
  assert.ok(lines.every(({ time }) => !Number.isNaN(Date.parse(String(time)))))
  lines.length = 0
  createEventLog({ level: 'warn', write })({ event: 'metrics', url: 'http://x' })
  assert.deepEqual(lines, [])
})

test('people who asked for no diagnostics read sentences, without keys', () => {
  let said = ''
  const log = createLog({ level: 'warn', json: false, brief: true, write: line => void (said += line) })
  log.warn({ peer: 'abc', target: '127.0.0.1:80', code: 'ECONNREFUSED' }, 'nothing listens there')
  log.error({ err: new Error('the disk is full') }, 'a file cannot be written')
  log.warn('that is all')
  assert.equal(
    said,
    'warning: nothing listens there (127.0.0.1:80, ECONNREFUSED)\n' +
      'error: a file cannot be written ("the disk is full")\n' +
      'warning: that is all\n'
  )
})
