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

/** What was sent of an open flow. */
interface Sent {
  bytes: number
  limit: number
  ended: boolean
}

/** What a client in its right mind may say, of a flow that is open. */
interface Move {
  readonly kind: 'open' | 'data' | 'window' | 'fin' | 'reset'
  readonly flow: number
  readonly size: number
}

function inOrder(flows: Sent[], { kind, flow, size }: Move): Uint8Array {
  const now = flows[flow % flows.length]
  if (kind === 'open' || now === undefined) {
    flows.push({ bytes: 0, limit: 0, ended: false })
    return openFrame(flows.length, 1, 0)
  }
  const id = flows.indexOf(now) + 1
  if (kind === 'window') {
    now.limit += size
    return windowFrame(id, 0, now.limit)
  }
  if (now.ended) return resetFrame(id, 'FLOW_RESET')
  if (kind === 'data') {
    now.bytes += size
    return dataFrame(id, now.bytes - size, b4a.alloc(size))
  }
  now.ended = true
  return kind === 'fin' ? finFrame(id, now.bytes) : resetFrame(id, 'FLOW_RESET')
}

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom('open', 'data', 'data', 'window', 'window', 'fin', 'reset'),
  flow: small,
  size: fc.nat(30)
})

/** Mostly in order, so that it lives long enough to get somewhere: about two in five to the end of their story. */
const story = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<readonly Move[] | Uint8Array>[]>(
    { weight: 8, arbitrary: fc.array(move, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(frame, { maxLength: 3 }).map(frames => b4a.concat(frames)) },
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
      const flows: Sent[] = []
      for (const message of messages) {
        say(
          link,
          message instanceof Uint8Array ? message : b4a.concat(message.map(one => inOrder(flows, one)))
        )
        world.pass(3)
      }
      world.pass(100)
      if (session.state === 'ended') {
        ended++
        assert.ok(
          messages.some(message => message instanceof Uint8Array),
          'ended by a client in its right mind'
        )
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
  assert.ok(ended > 400 && lived > 400, `${ended} ended, ${lived} lived`)
})
