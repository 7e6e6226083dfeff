/** readMessage under 100,000 messages that nobody should send. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { closeCode, closeNumber } from '../../src/wire/constants.js'
import {
  closeFrame,
  finFrame,
  mapsFrame,
  openFrame,
  readMessage,
  resetFrame,
  welcomeFrame,
  windowFrame
} from '../../src/wire/frames.js'
import { dataFrame } from '../support/data-frame.js'
import { isProtocolError } from '../unit/wire/protocol-error.js'
import { type Call, frameRecorder } from '../unit/wire/sinks.js'
import { broken, CASES, number } from './arbitrary-bytes.js'

const code = fc.integer({ min: 1, max: 40 }).map(number => closeCode(number, 'PROTOCOL_ERROR'))
const positions = fc.array(fc.record({ flow: number, received: number }), { maxLength: 4 })
const session = fc.uint8Array({ minLength: 16, maxLength: 16 })
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const map = fc.record({
  id: number,
  proto: fc.constantFrom('tcp' as const, 'udp' as const, 'tcpudp' as const),
  port: fc.integer({ min: 1, max: 65_535 })
})

const welcome = fc.record({
  versions: fc.integer({ min: 1, max: 9 }).map(highest => ({ lowest: 1, highest })),
  features: number,
  session,
  host: key,
  datagramKey: key,
  maps: fc.array(map, { maxLength: 4 }),
  resumed: fc.option(fc.record({ highest: number, flows: positions }))
})

/** A HELLO by its bytes: type, versions, proof, key, features, flag, what follows. */
const hello = fc
  .tuple(key, key, fc.option(fc.tuple(session, fc.uint8Array({ maxLength: 20 }))))
  .map(([proof, datagramKey, resume]) => {
    const body = b4a.concat([
      b4a.from([1, 1, 1]),
      proof,
      datagramKey,
      b4a.from([1]),
      ...(resume ? [b4a.from([1]), ...resume] : [b4a.from([0])])
    ])
    return b4a.concat([b4a.from([body.byteLength]), body])
  })

/** A frame, and what a reader of it should say. */
const good: fc.Arbitrary<{ frame: Uint8Array; call: Call }> = fc.oneof(
  fc.array(map, { maxLength: 4 }).map(maps => ({ frame: mapsFrame(maps), call: ['maps', maps] })),
  fc.tuple(number, number, number).map(n => ({ frame: openFrame(...n), call: ['open', ...n] })),
  fc.tuple(number, number, number).map(n => ({ frame: windowFrame(...n), call: ['window', ...n] })),
  fc.tuple(number, number).map(n => ({ frame: finFrame(...n), call: ['fin', ...n] })),
  fc.tuple(number, code).map(([flow, why]) => ({
    frame: resetFrame(flow, why),
    call: ['reset', flow, closeCode(closeNumber(why), 'FLOW_RESET')]
  })),
  fc.tuple(code, fc.string({ maxLength: 20 })).map(([why, reason]) => ({
    frame: closeFrame(why, reason),
    call: [
      'close',
      closeCode(closeNumber(why), 'PROTOCOL_ERROR'),
      b4a.toString(b4a.from(reason, 'utf8'), 'utf8')
    ]
  })),
  fc.tuple(number, number, fc.uint8Array({ maxLength: 40 })).map(([flow, offset, bytes]) => ({
    frame: dataFrame(flow, offset, bytes),
    call: ['data', flow, offset, bytes]
  })),
  welcome.map(said => ({ frame: welcomeFrame(said), call: ['welcome', said.versions, said] }))
)

/** Everything the same kind of bytes, whoever allocated them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return b4a.toString(value, 'hex')
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return [...value].map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]))
}

function calls(message: Uint8Array): Call[] {
  const heard: Call[] = []
  readMessage(message, frameRecorder(heard))
  return heard
}

const valid = fc.oneof(
  { weight: 5, arbitrary: good.map(({ frame }) => frame) },
  { weight: 1, arbitrary: hello }
)

test('whatever comes, it is read or it is a PROTOCOL_ERROR', () => {
  fc.assert(
    fc.property(broken(valid), message => {
      try {
        calls(message)
      } catch (err) {
        if (!isProtocolError(err)) throw err
      }
    }),
    { numRuns: CASES, includeErrorInReport: true }
  )
})

test('what was written is read, frame by frame', () => {
  fc.assert(
    fc.property(fc.array(good, { maxLength: 6 }), parts => {
      const message = b4a.concat(parts.map(({ frame }) => frame))
      assert.deepEqual(plain(calls(message)), plain(parts.map(({ call }) => call)))
    }),
    { numRuns: 10_000, includeErrorInReport: true }
  )
})

test('a message that is cut inside of a frame is refused, after the whole frames before it', () => {
  fc.assert(
    fc.property(fc.array(good, { minLength: 1, maxLength: 3 }), parts => {
      const message = b4a.concat(parts.map(({ frame }) => frame))
      const borders = new Set([0])
      let at = 0
      for (const { frame } of parts) borders.add((at += frame.byteLength))
      for (let cut = 0; cut < message.byteLength; cut++) {
        const part = message.subarray(0, cut)
        if (borders.has(cut)) calls(part)
        else assert.throws(() => calls(part), isProtocolError)
      }
    }),
    { numRuns: 500, includeErrorInReport: true }
  )
})
