/** The ordered stream's bytes, pinned: a change here is a change of the protocol. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { MAX_MESSAGE, MAX_REASON } from '../../../src/wire/constants.js'
import {
  closeFrame,
  dataHeaderSize,
  finFrame,
  helloFrame,
  mapsFrame,
  openFrame,
  pingFrame,
  pongFrame,
  readMessage,
  resetFrame,
  welcomeFrame,
  windowFrame
} from '../../../src/wire/frames.js'
import { dataFrame } from '../../support/data-frame.js'
import { isProtocolError } from './protocol-error.js'
import { type Call, frameRecorder } from './sinks.js'

const KEY_1 = b4a.from('11'.repeat(32), 'hex')
const KEY_2 = b4a.from('22'.repeat(32), 'hex')
const HOST = b4a.from('44'.repeat(32), 'hex')
const ID = b4a.from('33'.repeat(16), 'hex')

function calls(message: Uint8Array): Call[] {
  const heard: Call[] = []
  readMessage(message, frameRecorder(heard))
  return heard
}

const hello = { version: 1, proof: KEY_1, datagramKey: KEY_2, resume: null }
const resuming = {
  ...hello,
  resume: {
    session: ID,
    highest: 300,
    flows: [
      { flow: 1, received: 0 },
      { flow: 300, received: 2 ** 32 }
    ]
  }
}
const welcome = {
  version: 1,
  session: ID,
  host: HOST,
  datagramKey: KEY_2,
  maps: [
    { id: 1, proto: 'tcp' as const, port: 80 },
    { id: 2, proto: 'udp' as const, port: 65535 },
    { id: 3, proto: 'tcpudp' as const, port: 1 }
  ],
  resumed: null
}
const resumedWelcome = { ...welcome, maps: [], resumed: { highest: 7, flows: [{ flow: 7, received: 5 }] } }

/** A name, the frame as it is written, its literal bytes, and what is read from them. */
const FRAMES: readonly [string, Uint8Array, string, Call][] = [
  ['HELLO', helloFrame(hello), `4301${'01'}${'11'.repeat(32)}${'22'.repeat(32)}00`, ['hello', hello]],
  [
    'HELLO that resumes',
    helloFrame(resuming),
    `5f01${'01'}${'11'.repeat(32)}${'22'.repeat(32)}01${'33'.repeat(16)}${'ac02'}020100ac028080808010`,
    ['hello', resuming]
  ],
  [
    'WELCOME',
    welcomeFrame(welcome),
    `5f02${'01'}${'33'.repeat(16)}${'44'.repeat(32)}${'22'.repeat(32)}03010150${'0202ffff03'}030301${'00'}`,
    ['welcome', welcome]
  ],
  [
    'WELCOME that resumes',
    welcomeFrame(resumedWelcome),
    `5802${'01'}${'33'.repeat(16)}${'44'.repeat(32)}${'22'.repeat(32)}000107010705`,
    ['welcome', resumedWelcome]
  ],
  ['CLOSE', closeFrame('GOODBYE', 'bye'), '06030103627965', ['close', 'GOODBYE', 'bye']],
  ['CLOSE without a reason', closeFrame('WRONG_KEY', ''), '03030200', ['close', 'WRONG_KEY', '']],
  ['PING', pingFrame(128), '03048001', ['ping', 128, 0]],
  ['PING, filled up', pingFrame(1, 2), '0404010000', ['ping', 1, 2]],
  ['PONG', pongFrame(0), '020500', ['pong', 0, 0]],
  ['PONG, filled up', pongFrame(1, 2), '0405010000', ['pong', 1, 2]],
  ['MAPS', mapsFrame(welcome.maps), `0d06${'03'}010150${'0202ffff03'}030301`, ['maps', welcome.maps]],
  ['MAPS, none any more', mapsFrame([]), '020600', ['maps', []]],
  ['OPEN', openFrame(1, 2, 262144), '0610010280' + '8010', ['open', 1, 2, 262144]],
  ['DATA', dataFrame(1, 300, b4a.from('hi')), '061101ac026869', ['data', 1, 300, b4a.from('hi')]],
  ['FIN', finFrame(1, 2 ** 31), '0712018080808008', ['fin', 1, 2 ** 31]],
  ['RESET', resetFrame(2, 'TARGET_REFUSED'), '03130212', ['reset', 2, 'TARGET_REFUSED']],
  ['WINDOW', windowFrame(3, 2 ** 53 - 1, 127), '0b1403ffffffffffffff0f7f', ['window', 3, 2 ** 53 - 1, 127]]
]

for (const [name, frame, bytes, call] of FRAMES) {
  test(`${name} is these bytes`, () => {
    assert.equal(b4a.toString(frame, 'hex'), bytes)
    assert.deepEqual(calls(b4a.from(bytes, 'hex')), [call])
  })

  test(`${name}, cut anywhere, is refused`, () => {
    for (let cut = 1; cut < frame.byteLength; cut++) {
      assert.throws(() => calls(frame.subarray(0, cut)), isProtocolError, `cut at ${cut}`)
    }
  })

  test(`${name} with a byte too much is refused`, () => {
    // The last field of these takes the rest.
    if (/^(DATA|PING|PONG)/.test(name)) return
    const longer = b4a.concat([frame, b4a.alloc(1)])
    longer[0]!++
    assert.throws(() => calls(longer), isProtocolError)
  })
}

test('all frames in one message are read in their order', () => {
  const message = b4a.concat(FRAMES.map(([, frame]) => frame))
  assert.deepEqual(
    calls(message),
    FRAMES.map(([, , , call]) => call)
  )
})

test('an empty message says nothing', () => {
  assert.deepEqual(calls(b4a.alloc(0)), [])
})

/** A frame around `body`, with its length before it. */
function framed(body: string): string {
  const size = body.length / 2
  const varint = size < 128 ? b4a.from([size]) : b4a.from([(size & 127) | 128, size >> 7])
  return b4a.toString(varint, 'hex') + body
}

const HELLO_START = `01${'01'}${'11'.repeat(64)}`
const WELCOME_START = `02${'01'}${'33'.repeat(80)}`

const REFUSED: readonly [string, string][] = [
  ['an empty frame', '00'],
  ['an unknown type', '010f'],
  ['type 0', '020000'],
  ['a frame longer than its message', '0604'],
  ['an endless length', 'ffffffffffffffffff01'],
  ['a flag of 2', framed(`${HELLO_START}02`)],
  ['a map of an unknown protocol', framed(`${WELCOME_START}0101045000`)],
  ['a map of port 0', framed(`${WELCOME_START}0101010000`)],
  ['a map of port 65536', framed(`${WELCOME_START}01010180800400`)],
  ['MAPS with a map of port 0', framed('0601010100')],
  ['MAPS with 1025 of them', framed(`068108${'010150'.repeat(1025)}`)],
  ['1025 maps', framed(`${WELCOME_START}8108${'010150'.repeat(1025)}00`)],
  ['more positions than fit', framed(`${HELLO_START}01${'33'.repeat(16)}00020100`)],
  ['a count of positions near 2^53', framed(`${HELLO_START}01${'33'.repeat(16)}00ffffffffffffff0f0101`)],
  ['a reason longer than it may be', framed(`03018104${'61'.repeat(513)}`)]
]

for (const [name, bytes] of REFUSED) {
  test(`${name} is refused`, () => {
    assert.throws(() => calls(b4a.from(bytes, 'hex')), isProtocolError)
  })
}

test('a message of the largest size is read, a larger one is not', () => {
  const data = dataFrame(1, 0, b4a.alloc(MAX_MESSAGE - dataHeaderSize(1, 0, MAX_MESSAGE - 8)))
  assert.equal(data.byteLength, MAX_MESSAGE)
  assert.equal(calls(data).length, 1)
  assert.throws(() => calls(b4a.alloc(MAX_MESSAGE + 1)), isProtocolError)
})

test('a code without a number travels as INTERNAL, a number without a code comes as PROTOCOL_ERROR', () => {
  assert.deepEqual(calls(resetFrame(1, 'PORT_IN_USE')), [['reset', 1, 'INTERNAL']])
  assert.deepEqual(calls(b4a.from('04130' + '1ff01', 'hex')), [['reset', 1, 'PROTOCOL_ERROR']])
})

test('a reason is cut to what may be sent', () => {
  const [call] = calls(closeFrame('INTERNAL', 'x'.repeat(2000)))
  assert.equal((call![2] as string).length, MAX_REASON)
})

test('a reason that would steer a console is shown without that', () => {
  const calls: Call[] = []
  readMessage(closeFrame('GOODBYE', 'red \u001b[31m\r\nand \u202eturned'), frameRecorder(calls))
  assert.deepEqual(calls, [['close', 'GOODBYE', 'red ?[31m??and ?turned']])
})
