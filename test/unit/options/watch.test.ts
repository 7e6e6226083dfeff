import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LastSeen, readSeen, seenFile } from '../../../src/options/last-seen.js'
import { FileWatch } from '../../../src/options/watch.js'
import type { Clock } from '../../../src/util/clock.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-watch-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Time that passes when the test says so. */
class Hand implements Clock {
  #timers: { fn: () => void }[] = []
  #armed: () => void = () => {}

  now(): number {
    return 0
  }

  after(_ms: number, fn: () => void) {
    const timer = { fn }
    this.#timers.push(timer)
    this.#armed()
    return { cancel: () => void (this.#timers = this.#timers.filter(one => one !== timer)) }
  }

  get armed(): number {
    return this.#timers.length
  }

  /** Fires the timer, and waits until there is one again. */
  async pass(): Promise<void> {
    const again = new Promise<void>(resolve => (this.#armed = resolve))
    this.#timers.shift()!.fn()
    await again
  }

  /** Fires the timer. */
  fire(): void {
    this.#timers.shift()!.fn()
  }
}

test('a change of the file is reported once when it has come to rest, however it was written', async () => {
  const path = join(folder, 'options.json')
  writeFileSync(path, 'one')
  const clock = new Hand()
  let told = 0
  const watch = new FileWatch([path], clock, 1, async () => void told++)
  await clock.pass()
  assert.equal(told, 0, 'it may be in the middle of being written')
  await clock.pass()
  assert.equal(told, 1, 'it may have changed before the first look')
  await clock.pass()
  assert.equal(told, 1)
  writeFileSync(path, 'two')
  await clock.pass()
  writeFileSync(path, 'three')
  await clock.pass()
  assert.equal(told, 1, 'still being written')
  await clock.pass()
  assert.equal(told, 2)
  writeFileSync(`${path}.new`, 'three')
  renameSync(`${path}.new`, path)
  await clock.pass()
  await clock.pass()
  assert.equal(told, 3, 'replaced by one of the same size')
  rmSync(path)
  await clock.pass()
  await clock.pass()
  assert.equal(told, 3, 'a file that is gone says nothing')
  watch.close()
  assert.equal(clock.armed, 0)
})

test('a change that could not be read is reported again until it can', async () => {
  const path = join(folder, 'unread.json')
  writeFileSync(path, 'one')
  const clock = new Hand()
  let told = 0
  const watch = new FileWatch([path], clock, 1, async () => {
    told++
    if (told < 4) throw new Error('no descriptors')
  })
  for (let look = 0; look < 8; look++) await clock.pass()
  assert.equal(told, 4)
  watch.close()
})

test('when guests were seen last is written now and then, and read again', async () => {
  const file = seenFile(join(folder, 'options.json'))
  assert.equal(file, join(folder, 'options.seen.json'))
  assert.deepEqual(await readSeen(file), new Map())
  const clock = new Hand()
  let now = Date.parse('2030-01-01T00:00:00Z')
  const failures: unknown[] = []
  const seen = new LastSeen({
    file,
    clock,
    timeOfDay: () => now,
    everyMs: 1,
    onfail: err => failures.push(err)
  })
  seen.note('KEY', 'Anna', 'anna')
  seen.note('KEY', 'Ben', 'ben')
  now += 1000
  seen.note('KEY', '__proto__', 'proto')
  await seen.close()
  const times = await readSeen(file)
  assert.deepEqual([...times.get('KEY')!.keys()].sort(), ['Anna', 'Ben', '__proto__'])
  assert.match(readFileSync(file, 'utf8'), /"at": "2030-01-01T00:00:00.000Z",\s+"key": "anna"/)
  // Another process, later.
  const other = new LastSeen({
    file,
    clock: new Hand(),
    timeOfDay: () => now,
    everyMs: 1,
    onfail: err => failures.push(err)
  })
  other.note('KEY', 'Anna', 'anna')
  await other.close()
  assert.equal((await readSeen(file)).get('KEY')!.get('Anna')?.at, now)
  writeFileSync(file, '{ broken')
  assert.deepEqual(await readSeen(file), new Map())
  const nowhere = new LastSeen({
    file: join(file, 'x.json'),
    clock: new Hand(),
    timeOfDay: () => now,
    everyMs: 1,
    onfail: err => failures.push(err)
  })
  nowhere.note('KEY', 'Anna', 'anna')
  await nowhere.close()
  nowhere.note('KEY', 'Anna', 'anna')
  await nowhere.close()
  assert.equal(failures.length, 1)
})

test('a file that it depends on counts, whether it is there or not', async () => {
  const path = join(folder, 'own.json')
  const other = join(folder, 'other.json')
  writeFileSync(path, 'own')
  const clock = new Hand()
  let told = 0
  const watch = new FileWatch([path, other], clock, 1, async () => void told++)
  const rests = async (): Promise<number> => {
    await clock.pass()
    await clock.pass()
    return told
  }
  assert.equal(await rests(), 1)
  writeFileSync(other, 'one')
  assert.equal(await rests(), 2)
  writeFileSync(other, 'another')
  assert.equal(await rests(), 3)
  rmSync(other)
  assert.equal(await rests(), 4)
  rmSync(path)
  assert.equal(await rests(), 4, 'without the file itself there is nothing to read')
  watch.close()
})
