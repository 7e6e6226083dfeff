import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as frames from '../../../../src/network/tcp-relay/frames.js'
import { FrameFault, type FrameHandler, readMessage } from '../../../../src/network/tcp-relay/frames.js'

const SESSION = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

/** Each frame with its bytes as SPEC.md has them. */
const VECTORS: readonly (readonly [name: string, frame: Buffer, hex: string])[] = [
  [
    'HELLO',
    frames.hello({ lowest: 1, highest: 2, session: SESSION, token: 'ab' }),
    '01001501 02 000102030405060708090a0b0c0d0e0f 02 6162'
  ],
  [
    'HELLO of a new session',
    frames.hello({ lowest: 1, highest: 1, session: null, token: '' }),
    '01001301 01 00000000000000000000000000000000 00'
  ],
  [
    'WELCOME',
    frames.welcome({ version: 1, kind: 'server', session: SESSION, resumed: true }),
    '02001301 01 000102030405060708090a0b0c0d0e0f 01'
  ],
  ['OPEN', frames.open(7), '0300020007'],
  ['BOUND', frames.bound(7, 49_737), '0400040007c249'],
  ['CLOSE', frames.close(0x1234), '0500021234'],
  ['PACKET', frames.packet(7, 0xcb007107, 49_737, Buffer.from('ff01', 'hex')), '06000a0007cb007107c249ff01'],
  ['RECEIVED', frames.received(2 ** 32 + 5), '07000400000005']
]

/** Notes what comes, in words. */
function recorder(): { heard: string[]; handler: FrameHandler } {
  const heard: string[] = []
  return {
    heard,
    handler: {
      hello: ({ lowest, highest, session, token }) =>
        heard.push(`hello ${lowest}-${highest} ${session?.toString('hex') ?? 'new'} ${token}`),
      welcome: ({ version, kind, session, resumed }) =>
        heard.push(`welcome ${version} ${kind} ${session.toString('hex')} ${resumed}`),
      open: socket => heard.push(`open ${socket}`),
      bound: (socket, port) => heard.push(`bound ${socket} ${port}`),
      close: socket => heard.push(`close ${socket}`),
      packet: (socket, host, port, packet) =>
        heard.push(`packet ${socket} ${host} ${port} ${packet.toString('hex')}`),
      received: bytes => heard.push(`received ${bytes}`)
    }
  }
}

for (const [name, frame, hex] of VECTORS) {
  test(`${name} has the bytes of the specification`, () => {
    assert.equal(frame.toString('hex'), hex.replaceAll(' ', ''))
  })
}

test('a message hands over its frames in order', () => {
  const { heard, handler } = recorder()
  readMessage(Buffer.concat(VECTORS.map(([, frame]) => frame)), handler)
  assert.deepEqual(heard, [
    'hello 1-2 000102030405060708090a0b0c0d0e0f ab',
    'hello 1-1 new ',
    'welcome 1 server 000102030405060708090a0b0c0d0e0f true',
    'open 7',
    'bound 7 49737',
    'close 4660',
    'packet 7 3405803783 49737 ff01',
    'received 5'
  ])
})

test('every cut of every frame is a fault', () => {
  for (const [name, frame] of VECTORS) {
    for (let size = 0; size < frame.byteLength; size++) {
      assert.throws(
        () => readMessage(frame.subarray(0, size), recorder().handler),
        FrameFault,
        `${name} ${size}`
      )
    }
  }
})

test('a frame with bytes left over is a fault, but in HELLO and WELCOME they are for later versions', () => {
  for (const [name, frame] of VECTORS) {
    const longer = Buffer.concat([frame, Buffer.of(0)])
    longer.writeUInt16BE(frame.readUInt16BE(1) + 1, 1)
    const read = () => readMessage(longer, recorder().handler)
    if (/HELLO|WELCOME|PACKET/.test(name)) assert.doesNotThrow(read, name)
    else assert.throws(read, FrameFault, name)
  }
})

test('frames of later versions are passed over from 0x80 on, and faults below', () => {
  const { heard, handler } = recorder()
  readMessage(Buffer.concat([Buffer.from('80000199', 'hex'), frames.open(1)]), handler)
  assert.deepEqual(heard, ['open 1'])
  for (const type of [0x00, 0x08, 0x7f]) {
    assert.throws(() => readMessage(Buffer.of(type, 0, 1, 0), handler), FrameFault)
  }
})

test('a frame that is not expected, and a relay of an unknown kind, are faults', () => {
  assert.throws(() => readMessage(frames.open(1), {}), FrameFault)
  const strange = frames.welcome({ version: 1, kind: 'network', session: SESSION, resumed: false })
  strange[4] = 2
  assert.throws(() => readMessage(strange, recorder().handler), FrameFault)
})

test('any bytes are read or are a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        readMessage(Buffer.from(bytes), recorder().handler)
      } catch (err) {
        assert.ok(err instanceof FrameFault)
      }
    })
  )
})
