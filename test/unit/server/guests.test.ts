import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import type { Grant } from '../../../src/access/access.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { Guest } from '../../../src/server/guest.js'
import { GuestTable } from '../../../src/server/guests.js'
import { ServerSession } from '../../../src/session/server-session.js'
import { Resources } from '../../../src/sockets/resources.js'
import { KEY_BYTES, SESSION_ID_BYTES } from '../../../src/wire/constants.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { MemoryConnection } from '../../support/memory-link.js'

const ANYBODY: Grant = {
  name: undefined,
  maps: null,
  expires: Number.POSITIVE_INFINITY,
  maxDevices: undefined
}

/** A server's guests, with room for two. */
class Place {
  readonly clock = new VirtualClock()
  readonly limits = { ...LIMITS, sessions: 2, guestSessions: 2 }
  readonly guests = new GuestTable({ clock: this.clock, limits: this.limits, log: silentLog })
  readonly #resources = new Resources({ clock: this.clock, limits: LIMITS, log: silentLog, sockets: 100 })
  #next = 1

  enter(key: Uint8Array, grant = ANYBODY): Guest {
    const { clock, limits, guests } = this
    const session: ServerSession = new ServerSession(
      b4a.alloc(SESSION_ID_BYTES, this.#next++),
      {
        clock,
        limits,
        defer: fn => fn(),
        chance: () => 0,
        rateLimiter: guests.rateLimiterOf(key, grant)
      },
      {
        up() {},
        lost() {},
        ended: () => guests.delete(guest),
        silent() {},
        open: () => null,
        udp() {}
      }
    )
    const usage = this.#resources.enter(String(key[0]), 'guest')
    const guest = new Guest(session, key, '127.1.0.1', grant, 0, usage, limits, silentLog, clock)
    guests.add(guest)
    return guest
  }

  /** Its connection comes, and goes. */
  lose({ session, key }: Guest): void {
    const keys = { client: key, server: b4a.alloc(KEY_BYTES, 9), handshakeHash: b4a.alloc(64) }
    const { server: link } = new MemoryConnection(this.clock, {}, () => 0, keys)
    session.attach({
      link,
      sendKey: b4a.alloc(KEY_BYTES),
      receiveKey: b4a.alloc(KEY_BYTES),
      features: 0,
      resumed: null
    })
    link.events.close('CONNECTION_LOST')
    assert.equal(session.state, 'lost')
  }
}

const ANNA = b4a.alloc(KEY_BYTES, 1)
const BEN = b4a.alloc(KEY_BYTES, 2)
const EVA = b4a.alloc(KEY_BYTES, 3)

test('a session is found by its name, and only by the client who began it', () => {
  const place = new Place()
  const { guests } = place
  const [first, second] = [place.enter(ANNA), place.enter(ANNA)]
  assert.equal(guests.find(second.session.id, ANNA), second)
  assert.equal(guests.find(second.session.id, BEN), undefined)
  assert.deepEqual(guests.of(ANNA), [first, second])
  first.session.close('GOODBYE')
  assert.equal(guests.find(first.session.id, ANNA), undefined)
  assert.deepEqual([guests.size, guests.of(BEN)], [1, []])
})

test('sessions of one key share a rate limiter, and a lone guest gets a multiple of the rates', () => {
  const place = new Place()
  const [first, second, other] = [place.enter(ANNA), place.enter(ANNA), place.enter(BEN)]
  assert.equal(second.session.deps.rateLimiter, first.session.deps.rateLimiter)
  assert.notEqual(other.session.deps.rateLimiter, first.session.deps.rateLimiter)
  const carried = () => {
    // All that can be saved is there again.
    place.clock.after(10_000, () => {})
    place.clock.run(Number.POSITIVE_INFINITY)
    let count = 0
    while (count < 1_000_000 && first.session.deps.rateLimiter!.udpIn(1)) count++
    return count
  }
  const beside = carried()
  other.session.close('GOODBYE')
  assert.ok(carried() > 2 * beside, `${beside} beside another guest`)
})

test('a full server makes room at the cost of who is lost, and of nobody else', () => {
  const place = new Place()
  const [anna] = [place.enter(ANNA), place.enter(BEN)]
  assert.equal(place.guests.makeRoom(ANYBODY), false)
  place.lose(anna)
  assert.equal(place.guests.makeRoom(ANYBODY), true)
  assert.deepEqual([anna.session.state, place.guests.size], ['ended', 1])
})

test('a guest with a name takes the place of a stranger: of the one with most sessions, and the latest of them', () => {
  const named = { ...ANYBODY, name: 'Ben' }
  const place = new Place()
  place.limits.sessions = 4
  const [first, eva, second, ben] = [
    place.enter(ANNA),
    place.enter(EVA),
    place.enter(ANNA),
    place.enter(BEN, named)
  ]
  assert.equal(place.guests.makeRoom(ANYBODY), false)
  assert.equal(place.guests.makeRoom(named), true)
  assert.deepEqual(
    [first, eva, second, ben].map(({ session }) => session.state),
    ['new', 'new', 'ended', 'new']
  )
})

test('a stranger does not take the place of a named guest who is lost; another named guest does', () => {
  const named = { ...ANYBODY, name: 'Ben' }
  const place = new Place()
  const [ben] = [place.enter(BEN, named), place.enter(BEN, named)]
  place.lose(ben)
  assert.equal(place.guests.makeRoom(ANYBODY), false)
  assert.equal(ben.session.state, 'lost')
  assert.equal(place.guests.makeRoom(named), true)
  assert.equal(ben.session.state, 'ended')
})

test('one device more than a key may have takes the place of one of its own that is lost', () => {
  const place = new Place()
  const [first, , ben] = [place.enter(ANNA), place.enter(ANNA), place.enter(BEN)]
  place.lose(ben)
  assert.equal(place.guests.refuseDevice(EVA, ANYBODY), null)
  assert.equal(place.guests.refuseDevice(ANNA, ANYBODY)?.code, 'TOO_MANY_DEVICES')
  place.lose(first)
  assert.equal(place.guests.refuseDevice(ANNA, ANYBODY), null)
  assert.deepEqual([first.session.state, ben.session.state], ['ended', 'lost'])
})

test("datagrams that wait for a target's address count as the guest's memory", () => {
  const guest = new Place().enter(ANNA)
  assert.equal(guest.waiting.borrow(LIMITS.resolveBytes), true)
  assert.equal(guest.usage.memory.used, LIMITS.resolveBytes)
  assert.equal(guest.waiting.borrow(1), false)
})

test('sessions beyond what a key may have are the surplus: those without a connection first, then the latest', () => {
  const place = new Place()
  place.limits.sessions = 10
  const two: Grant = { ...ANYBODY, name: 'Anna', maxDevices: 2 }
  const anna = b4a.alloc(KEY_BYTES, 1)
  const [first, second, third] = [place.enter(anna, two), place.enter(anna, two), place.enter(anna, two)]
  place.enter(b4a.alloc(KEY_BYTES, 2))
  const surplus = (): unknown[] => place.guests.surplus.map(({ guest }) => guest)
  assert.deepEqual(surplus(), [third])
  place.lose(first)
  assert.deepEqual(surplus(), [first])
  for (const guest of [first, second, third]) guest.grant = { ...two, maxDevices: 3 }
  assert.deepEqual(surplus(), [])
})
