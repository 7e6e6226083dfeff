/** A session whose client has lost its mind: it ends with a coded error or goes on; nothing is thrown, nothing is left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { finFrame, openFrame, resetFrame, windowFrame } from '../../src/wire/frames.js'
import { dataFrame } from '../support/data-frame.js'
import { FlowEnd } from '../support/flow-end.js'
import { say } from '../support/say.js'
import { connected } from '../support/session-peers.js'
import { broken } from './arbitrary-bytes.js'

const small = fc.nat(8)
const offset = fc.oneof(fc.nat(40), fc.constantFrom(262_143, 262_144, 262_145, 2 ** 53 - 1))
const frame = fc.oneof(
  fc.tuple(small, fc.integer({ min: 1, max: 2 }), offset).map(n => openFrame(...n)),
  fc.tuple(small, offset, fc.nat(30)).map(([flow, at, size]) => dataFrame(flow, at, b4a.alloc(size))),
  fc.tuple(small, offset).map(n => finFrame(...n)),
  fc.tuple(small, offset, offset).map(n => windowFrame(...n)),
  small.map(flow => resetFrame(flow, 'FLOW_RESET'))
)

/** Mostly in order, so that it lives long enough to get somewhere. */
const story = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.array(frame, { maxLength: 3 }).map(b4a.concat) },
    { weight: 1, arbitrary: broken(frame) }
  ),
  { minLength: 1, maxLength: 12 }
)

test('frames in any order and state', () => {
  let ended = 0
  let lived = 0
  fc.assert(
    fc.property(fc.integer(), story, (seed, messages) => {
      const { world, server, client } = connected(seed, { delay: 1 })
      const { client: link } = client.connection!
      link.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
      server.open = flow => {
        const end = new FlowEnd(flow, 1, 0, world.clock, { total: 50, fin: true, chunk: () => 20 })
        flow.events = { ...flow.events, data: bytes => flow.consumed(bytes.byteLength) }
        world.clock.after(0, () => end.go())
        return null
      }
      const { session } = server
      const first = b4a.concat([openFrame(1, 1, 0), openFrame(2, 1, 0)])
      for (const bytes of [first, ...messages]) {
        say(link, bytes)
        world.pass(3)
      }
      world.pass(100)
      if (session.state === 'ended') {
        ended++
        // A damaged frame may be a CLOSE.
        assert.match(server.told.join(), /^up,ended [A-Z_]+$/)
        assert.equal(session.flows.tcp.flows.size, 0)
        assert.equal(server.sessions.size, 0)
      } else {
        lived++
        assert.deepEqual(server.told, ['up'])
      }
    }),
    { numRuns: 4000, includeErrorInReport: true }
  )
  assert.ok(ended > 100 && lived > 100, `${ended} ended, ${lived} lived`)
})
