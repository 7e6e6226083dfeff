import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, silentLog } from '../../../src/log/log.js'
import { Supervisor, supervisorOf, watchdogMs } from '../../../src/service/supervisor.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

test('the watchdog is ours when it names this process, or none', () => {
  assert.equal(watchdogMs({ WATCHDOG_USEC: '60000000' }, 7), 60_000)
  assert.equal(watchdogMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 7), 60_000)
  assert.equal(watchdogMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }, 7), 0)
  assert.equal(watchdogMs({}, 7), 0)
  assert.equal(watchdogMs({ WATCHDOG_USEC: 'x' }, 7), 0)
  assert.equal(supervisorOf({ WATCHDOG_USEC: '1' }, 7, new VirtualClock(), silentLog), null)
})

test('ready once, alive twice in each time of the watchdog, nothing after the end', async () => {
  const clock = new VirtualClock()
  const said: string[] = []
  const supervisor = new Supervisor(10_000, async words => void said.push(...words), clock, silentLog)
  clock.run(60_000)
  supervisor.ready()
  supervisor.ready()
  clock.run(10_000)
  supervisor.reloading()
  supervisor.ready()
  await supervisor.stopping()
  supervisor.reloading()
  supervisor.ready()
  clock.run(120_000)
  await supervisor.stopping()
  assert.deepEqual(said, [
    'READY=1',
    'WATCHDOG=1',
    'WATCHDOG=1',
    'RELOADING=1',
    'READY=1',
    'STOPPING=1',
    'STOPPING=1'
  ])
})

test('messages keep their order, however long one takes, and a failure is reported once', async () => {
  const lines: string[] = []
  const log = createLog({ level: 'warn', json: true, write: line => void lines.push(line) })
  const said: string[] = []
  const waiting: (() => void)[] = []
  const send = (words: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push(() => {
        said.push(...words)
        if (said.length > 1) reject(new Error('gone'))
        else resolve()
      })
    })
  const supervisor = new Supervisor(0, send, new VirtualClock(), log)
  supervisor.ready()
  supervisor.reloading()
  const ended = supervisor.stopping()
  for (let i = 0; i < 3; i++) {
    while (waiting.length === 0) await Promise.resolve()
    assert.equal(waiting.length, 1)
    waiting.shift()!()
  }
  await ended
  assert.deepEqual(said, ['READY=1', 'RELOADING=1', 'STOPPING=1'])
  assert.equal(lines.length, 1)
})
