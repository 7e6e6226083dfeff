import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type HyperDHT from 'hyperdht'
import { LIMITS } from '../../../src/limits.js'
import { Announcement } from '../../../src/network/announcement.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** How long announcing takes here. */
const UPDATE_MS = 300

/** hyperdht's announcer as it behaves: it rests after announcing, and forgets what it was asked before it rests. */
class TestAnnouncer {
  relays: unknown[] = []
  stopped = false
  _updating: Promise<void> | null = null
  /** Nodes that can be reached. */
  nodes = 3
  updates = 0
  refreshing = false
  #resting = false

  constructor(readonly clock: VirtualClock) {}

  readonly _sleeper = { resume: () => void (this.refreshing && this.#resting && this.update()) }

  update(): Promise<void> {
    this.#resting = false
    this._updating = new Promise(resolve => {
      this.clock.after(UPDATE_MS, () => {
        this.updates++
        this.relays = Array.from({ length: this.nodes }, () => ({}))
        this._updating = null
        resolve()
        setImmediate(() => {
          this.refreshing = false
          this.#resting = true
        })
      })
    })
    return this._updating
  }
}

function make() {
  const clock = new VirtualClock()
  const announcer = new TestAnnouncer(clock)
  const server = {
    _announcer: announcer,
    listen: () => announcer.update(),
    refresh: () => void (announcer.refreshing = true),
    close: async () => void closes.push(announcer._updating === null)
  }
  /** For each time that the server was closed, whether nothing was being announced. */
  const closes: boolean[] = []
  const reached: boolean[] = []
  const announcement = new Announcement(server as unknown as HyperDHT.Server, clock, LIMITS, value =>
    reached.push(value)
  )
  const pass = async (ms: number): Promise<void> => {
    const end = clock.now() + ms
    while (clock.now() < end) {
      clock.at(clock.now() + 10, () => {})
      clock.run(clock.now() + 10)
      await turn()
    }
  }
  return { announcer, announcement, reached, closes, pass }
}

const KEYS = { publicKey: new Uint8Array(32), secretKey: new Uint8Array(64) }

test('what is held is left alone', async () => {
  const { announcer, announcement, reached, pass } = make()
  void announcement.start(KEYS)
  await pass(600_000)
  assert.equal(announcer.updates, 1)
  assert.deepEqual(reached, [])
})

test('while no node holds it, it is announced again and again, and once more when they are back', async () => {
  const { announcer, announcement, reached, pass } = make()
  announcer.nodes = 0
  void announcement.start(KEYS)
  await pass(20_000)
  assert.ok(announcer.updates >= 8 && announcer.updates <= 11, `${announcer.updates}`)
  assert.deepEqual(reached, [false])
  announcer.nodes = 3
  await pass(2 * LIMITS.announceRetryMs + UPDATE_MS)
  assert.deepEqual(reached, [false, true])
  const { updates } = announcer
  await pass(60_000)
  assert.equal(announcer.updates, updates)
})

test('asked to while it is announced, it is announced once more', async () => {
  const { announcer, announcement, pass } = make()
  void announcement.start(KEYS)
  await pass(UPDATE_MS / 2)
  for (let i = 0; i < 5; i++) void announcement.refresh()
  await pass(5000)
  assert.equal(announcer.updates, 2)
})

test('a refresh that fails is no unhandled rejection, and the next one works', async () => {
  const { announcer, announcement, pass } = make()
  void announcement.start(KEYS)
  await pass(1000)
  const failing = announcement.server.refresh
  announcement.server.refresh = () => {
    throw new Error('the node is destroyed')
  }
  await announcement.refresh()
  announcement.server.refresh = failing
  void announcement.refresh()
  await pass(5000)
  assert.equal(announcer.updates, 2)
})

test('a handshake waits until nodes hold what holds now', async () => {
  const { announcer, announcement, pass } = make()
  void announcement.start(KEYS)
  let held: boolean | null = null
  const ask = (): void => {
    held = null
    void announcement.held().then(value => {
      held = value
    })
  }
  ask()
  await pass(UPDATE_MS - 50)
  assert.equal(held, null)
  await pass(50 + 2 * LIMITS.announceLookMs)
  assert.equal(held, true)
  // Our address has changed: what they hold leads nowhere.
  void announcement.refresh()
  await pass(10)
  ask()
  await pass(UPDATE_MS - 50)
  assert.equal(held, null)
  await pass(50 + 2 * LIMITS.announceLookMs)
  assert.equal(held, true)
  assert.equal(announcer.updates, 2)
})

test('a handshake is not answered when no node will hold it, and not kept waiting when it is closed', async () => {
  const { announcer, announcement, pass } = make()
  announcer.nodes = 0
  void announcement.start(KEYS)
  await pass(1000)
  const late = announcement.held()
  await pass(LIMITS.dialAnswerMs + LIMITS.announceLookMs)
  assert.equal(await late, false)
  const closing = announcement.held()
  const closed = announcement.close()
  await pass(LIMITS.announceLookMs)
  assert.equal(await closing, false)
  await pass(UPDATE_MS)
  await closed
  const { updates } = announcer
  await pass(60_000)
  assert.ok(announcer.updates <= updates + 1)
})

test('what is being announced is unannounced when that is done: before, nobody knows where it stands', async () => {
  const { announcer, announcement, closes, pass } = make()
  void announcement.start(KEYS)
  await pass(1000)
  void announcement.refresh()
  await pass(UPDATE_MS / 2)
  assert.notEqual(announcer._updating, null)
  const closed = announcement.close()
  await pass(UPDATE_MS / 4)
  assert.deepEqual(closes, [])
  await pass(UPDATE_MS / 2)
  await closed
  assert.deepEqual(closes, [true])
})
