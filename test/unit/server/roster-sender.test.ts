import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { RosterSender, type RosterSenderDeps } from '../../../src/server/roster-sender.js'
import type { RosterGuest } from '../../../src/wire/roster.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

type OneGuest = ReturnType<RosterSenderDeps['guests']>[number]

/** A guest who keeps what was sent. */
class Receiver {
  readonly sent: (readonly RosterGuest[])[] = []
  state = 'up'

  constructor(
    readonly key: number,
    readonly name: string | undefined,
    readonly rtt: number | null = null
  ) {}

  get guest(): OneGuest {
    const { state, rtt, sent } = this
    const session = { state, quality: { rtt }, sendRoster: (guests: RosterGuest[]) => sent.push(guests) }
    return { key: Uint8Array.of(this.key), grant: { name: this.name }, session } as unknown as OneGuest
  }
}

function setUp(isShown: boolean) {
  const clock = new VirtualClock()
  const [anna, bob, phone] = [
    new Receiver(1, 'Anna', 20.6),
    new Receiver(2, undefined),
    new Receiver(1, 'Anna')
  ] as const
  const receivers: readonly Receiver[] = [anna, bob, phone]
  const guests = (): OneGuest[] => receivers.map(({ guest }) => guest)
  return { clock, anna, bob, phone, roster: new RosterSender({ clock, limits: LIMITS, guests }, isShown) }
}

test('each guest is sent the others, without those under the same key', () => {
  const { anna, bob, phone, roster } = setUp(true)
  roster.start()
  const unnamed = { name: '', rtt: null }
  assert.deepEqual(anna.sent, [[unnamed]])
  assert.deepEqual(phone.sent, [[unnamed]])
  assert.deepEqual(bob.sent, [
    [
      { name: 'Anna', rtt: 21 },
      { name: 'Anna', rtt: null }
    ]
  ])
})

test('it is sent again every few seconds, to those who are connected then', () => {
  const { clock, anna, bob, roster } = setUp(true)
  roster.start()
  bob.state = 'lost'
  clock.run(LIMITS.rosterMs)
  assert.deepEqual([anna.sent.length, bob.sent.length], [2, 1])
  assert.deepEqual(anna.sent[1], [])
  roster.close()
  clock.run(3 * LIMITS.rosterMs)
  assert.equal(anna.sent.length, 2)
})

test('guests see nobody once the owner does not want it, and each other again when he does', () => {
  const { clock, anna, roster } = setUp(false)
  roster.start()
  roster.show(false)
  clock.run(3 * LIMITS.rosterMs)
  roster.show(true)
  roster.show(false)
  clock.run(10 * LIMITS.rosterMs)
  assert.deepEqual(anna.sent, [[{ name: '', rtt: null }], []])
  roster.close()
  roster.show(true)
  assert.equal(anna.sent.length, 2)
})
