import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SingleFlight } from '../../../src/util/single-flight.js'

/** Tasks that end when the test says so. */
function scene() {
  const flight = new SingleFlight<string>()
  const tasks: { resolve(result: string): void; reject(err: Error): void }[] = []
  const run = (key?: string): Promise<string> =>
    flight.run(() => new Promise((resolve, reject) => tasks.push({ resolve, reject })), key)
  return { run, tasks }
}

test('callers that come while a task runs share its result, and the next one runs another', async () => {
  const { run, tasks } = scene()
  const both = [run(), run()]
  assert.equal(tasks.length, 1)
  tasks[0]!.resolve('first')
  assert.deepEqual(await Promise.all(both), ['first', 'first'])
  const next = run()
  tasks[1]!.resolve('second')
  assert.equal(await next, 'second')
})

test('a failure is shared, too, and not kept', async () => {
  const { run, tasks } = scene()
  const both = [run(), run()]
  tasks[0]!.reject(new Error('refused'))
  for (const one of both) await assert.rejects(one, /refused/)
  const next = run()
  tasks[1]!.resolve('it worked')
  assert.equal(await next, 'it worked')
})

test('tasks of several keys run side by side', async () => {
  const { run, tasks } = scene()
  const found = Promise.all([run('a'), run('b'), run('a')])
  assert.equal(tasks.length, 2)
  tasks[1]!.resolve('of b')
  tasks[0]!.resolve('of a')
  assert.deepEqual(await found, ['of a', 'of b', 'of a'])
})
