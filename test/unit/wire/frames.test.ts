/** The ordered stream's bytes, pinned: a change here is a change of the protocol. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { MAX_MESSAGE, MAX_REASON } from '../../../src/wire/constants.js'
import {
  addressesFrame,
  closeFrame,
  dataHeaderSize,
  finFrame,
  helloFrame,
  mapsFrame,
  openFrame,
  readMessage,
  resetFrame,
  rosterFrame,
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

const ONE = { lowest: 1, highest: 1 }
const hello = {
  versions: ONE,
  proof: KEY_1,
  datagramKey: KEY_2,
  features: 1,
  resume: null
}
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
const later = {
  ...hello,
  versions: { lowest: 1, highest: 5 },
  features: 2 ** 32 + 1
}
const welcome = {
  versions: ONE,
  features: 1,
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
  [
    'HELLO',
    helloFrame(hello),
    `4501${'0101'}${'11'.repeat(32)}${'22'.repeat(32)}0100`,
    ['hello', ONE, KEY_1, hello]
  ],
  [
    'HELLO that resumes',
    helloFrame(resuming),
    `6101${'0101'}${'11'.repeat(32)}${'22'.repeat(32)}0101${'33'.repeat(16)}${'ac02'}020100ac028080808010`,
    ['hello', ONE, KEY_1, resuming]
  ],
  [
    'WELCOME',
    welcomeFrame(welcome),
    `6102${'0101'}${'33'.repeat(16)}${'44'.repeat(32)}${'22'.repeat(32)}0103010150${'0202ffff03'}030301${'00'}`,
    ['welcome', ONE, welcome]
  ],
  [
    'WELCOME that resumes',
    welcomeFrame(resumedWelcome),
    `5a02${'0101'}${'33'.repeat(16)}${'44'.repeat(32)}${'22'.repeat(32)}01000107010705`,
    ['welcome', ONE, resumedWelcome]
  ],
  ['CLOSE', closeFrame('GOODBYE', 'bye'), '06030103627965', ['close', 'GOODBYE', 'bye']],
  ['CLOSE without a reason', closeFrame('WRONG_KEY', ''), '03030200', ['close', 'WRONG_KEY', '']],
  ['MAPS', mapsFrame(welcome.maps), `0d06${'03'}010150${'0202ffff03'}030301`, ['maps', welcome.maps]],
  ['MAPS, none any more', mapsFrame([]), '020600', ['maps', []]],
  [
    'ADDRESSES',
    addressesFrame([
      { host: '2a00:1::7', port: 49737 },
      { host: 'fd00:0:0:1:2:3:4:5', port: 1 }
    ]),
    `2607${'02'}2a000001000000000000000000000007c98403fd00000000000001000200030004000501`,
    [
      'addresses',
      [
        { host: '2a00:1::7', port: 49737 },
        { host: 'fd00::1:2:3:4:5', port: 1 }
      ]
    ]
  ],
  ['ADDRESSES, none any more', addressesFrame([]), '020700', ['addresses', []]],
  [
    'ROSTER',
    rosterFrame([
      { name: 'J\u00f6rg', rtt: 12 },
      { name: '', rtt: null }
    ]),
    `0b80${'02'}054ac3b672670d0000`,
    [
      'roster',
      [
        { name: 'J\u00f6rg', rtt: 12 },
        { name: '', rtt: null }
      ]
    ]
  ],
  ['ROSTER, nobody else', rosterFrame([]), '028000', ['roster', []]],
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

const HELLO_START = `01${'0101'}${'11'.repeat(64)}01`
const WELCOME_START = `02${'0101'}${'33'.repeat(80)}01`

const REFUSED: readonly [string, string][] = [
  ['an empty frame', '00'],
  ['an unknown type', '010f'],
  ['type 0', '020000'],
  ['a frame longer than its message', '0604'],
  ['an endless length', 'ffffffffffffffffff01'],
  ['the last type of the mandatory range', '017f'],
  ['a version of 0', framed(`01${'0001'}${'11'.repeat(64)}0100`)],
  ['a range of versions from high to low', framed(`01${'0201'}${'11'.repeat(64)}0100`)],
  ['a later version without a proof', framed(`01${'0202'}${'11'.repeat(31)}`)],
  ['an optional field longer than its frame', framed(`${HELLO_START}00${'090201'}`)],
  ['a session that is over and cut short', framed(`${HELLO_START}00${'0008'}${'44'.repeat(8)}`)],
  ['33 sessions that are over', framed(`${HELLO_START}00${'009004'}${'44'.repeat(33 * 16)}`)],
  ['an uptime that is cut short', framed(`${WELCOME_START}0000${'0101ac'}`)],
  ['a flag of 2', framed(`${HELLO_START}02`)],
  ['a map of protocol 0', framed(`${WELCOME_START}0101005000`)],
  ['a map of port 0', framed(`${WELCOME_START}0101010000`)],
  ['a map of port 65536', framed(`${WELCOME_START}01010180800400`)],
  ['MAPS with a map of port 0', framed('0601010100')],
  ['MAPS with 1025 of them', framed(`068108${'010150'.repeat(1025)}`)],
  ['1025 maps', framed(`${WELCOME_START}8108${'010150'.repeat(1025)}00`)],
  ['more positions than fit', framed(`${HELLO_START}01${'33'.repeat(16)}00020100`)],
  ['a count of positions near 2^53', framed(`${HELLO_START}01${'33'.repeat(16)}00ffffffffffffff0f0101`)],
  ['a reason longer than it may be', framed(`03018104${'61'.repeat(513)}`)],
  ['more guests than a roster holds', framed(`8041${'0000'.repeat(65)}`)],
  ['a name of a guest longer than it may be', framed(`80018102${'61'.repeat(257)}00`)]
]

for (const [name, bytes] of REFUSED) {
  test(`${name} is refused`, () => {
    assert.throws(() => calls(b4a.from(bytes, 'hex')), isProtocolError)
  })
}

test('a roster holds as many guests as it may, and no name that does more than print', () => {
  const guest = { name: 'A', rtt: 5 }
  const [[, read] = []] = calls(rosterFrame(Array.from({ length: 100 }, () => guest)))
  assert.deepEqual(
    read,
    Array.from({ length: 64 }, () => guest)
  )
  const sly = '\u001b[31mred\u202e\u2028\n'
  assert.deepEqual(calls(rosterFrame([{ name: sly, rtt: 0 }])), [
    ['roster', [{ name: '?[31mred???', rtt: 0 }]]
  ])
})

test('a message of the largest size is read, a larger one is not', () => {
  const data = dataFrame(1, 0, b4a.alloc(MAX_MESSAGE - dataHeaderSize(1, 0, MAX_MESSAGE - 8)))
  assert.equal(data.byteLength, MAX_MESSAGE)
  assert.equal(calls(data).length, 1)
  assert.throws(() => calls(b4a.alloc(MAX_MESSAGE + 1)), isProtocolError)
})

test('a code without a number is sent as INTERNAL', () => {
  assert.deepEqual(calls(resetFrame(1, 'PORT_IN_USE')), [['reset', 1, 'INTERNAL']])
})

test('a number that a later version may have added is read as the plain code of its frame', () => {
  assert.deepEqual(calls(b4a.from('04130' + '1ff01', 'hex')), [['reset', 1, 'FLOW_RESET']])
  assert.deepEqual(calls(b4a.from('0503ff01' + '0141', 'hex')), [['close', 'PROTOCOL_ERROR', 'A']])
})

test('frames of the optional range are skipped, whatever they hold', () => {
  const between = ['0181', '02ff00', framed(`c3${'ff'.repeat(200)}`)].map(hex => b4a.from(hex, 'hex'))
  const message = b4a.concat([finFrame(1, 0), ...between, finFrame(2, 0)])
  assert.deepEqual(calls(message), [
    ['fin', 1, 0],
    ['fin', 2, 0]
  ])
})

test('of a later version, features are read and optional fields skipped', () => {
  const fields = '09026869' + '808001020a0b' + '0900'
  const start = `01${'0105'}${'11'.repeat(32)}${'22'.repeat(32)}${'8180808010'}00`
  assert.deepEqual(calls(b4a.from(framed(start + fields), 'hex')), [['hello', later.versions, KEY_1, later]])
  const welcomed = b4a.toString(welcomeFrame(welcome), 'hex').slice(2)
  assert.deepEqual(calls(b4a.from(framed(welcomed + fields), 'hex')), [['welcome', ONE, welcome]])
  // One that is longer than the frame.
  for (const bytes of [start, welcomed]) {
    assert.throws(() => calls(b4a.from(framed(`${bytes}090368`), 'hex')), isProtocolError)
  }
})

test('HELLO names sessions that are over, and WELCOME how long the host has been running', () => {
  const over = ['44', '55'].map(byte => b4a.from(byte.repeat(16), 'hex'))
  const frame = helloFrame({ ...hello, over })
  assert.equal(b4a.toString(frame, 'hex').slice(-68), `0020${'44'.repeat(16)}${'55'.repeat(16)}`)
  assert.deepEqual(calls(frame), [['hello', ONE, KEY_1, { ...hello, over }]])
  assert.equal(helloFrame({ ...hello, over: [] }).byteLength, helloFrame(hello).byteLength)
  const told = { ...welcome, uptime: 300 }
  assert.equal(b4a.toString(welcomeFrame(told), 'hex').slice(-8), '0102ac02')
  assert.deepEqual(calls(welcomeFrame(told)), [['welcome', ONE, told]])
})

test('versions that do not overlap: the proof is read, the rest is not', () => {
  const beyond = { lowest: 2, highest: 3 }
  assert.deepEqual(calls(b4a.from(framed(`01${'0203'}${'11'.repeat(32)}${'ff'.repeat(7)}`), 'hex')), [
    ['hello', beyond, KEY_1, null]
  ])
  assert.deepEqual(calls(b4a.from(framed(`02${'0203'}${'ff'.repeat(7)}`), 'hex')), [
    ['welcome', beyond, null]
  ])
})

test('a map of a protocol that a later version may have added is left out', () => {
  const [call] = calls(b4a.from(framed(`06${'02'}${'010450'}${'020151'}`), 'hex'))
  assert.deepEqual(call, ['maps', [{ id: 2, proto: 'tcp', port: 81 }]])
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
