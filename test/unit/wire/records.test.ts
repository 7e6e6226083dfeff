/** The records' bytes, pinned, and how payloads are packed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { Packer, paddedPing, readRecords, segmentRoom } from '../../../src/wire/records.js'
import { isProtocolError } from './protocol-error.js'
import { type Call, recordRecorder } from './sinks.js'

function packed(size: number, pack: (packer: Packer) => void): Uint8Array[] {
  const datagrams: Uint8Array[] = []
  const packer = new Packer(
    () => size,
    plain => datagrams.push(b4a.from(plain))
  )
  pack(packer)
  packer.flush()
  return datagrams
}

function calls(plain: Uint8Array): Call[] {
  const heard: Call[] = []
  readRecords(plain, recordRecorder(heard))
  return heard
}

const RECORDS: readonly [string, (packer: Packer) => void, string, Call][] = [
  ['PING', p => p.ping(128), '018001', ['ping', 128]],
  ['PONG', p => p.pong(1), '0201', ['pong', 1]],
  ['UDP', p => p.udp(1, 300, b4a.from('hi')), '1001ac02026869', ['udp', 1, 300, b4a.from('hi')]],
  ['UDP without content', p => p.udp(1, 2, b4a.alloc(0)), '10010200', ['udp', 1, 2, b4a.alloc(0)]],
  ['SEGMENT', p => p.segment(5, b4a.from('seg')), '120503736567', ['segment', 5, b4a.from('seg')]],
  ['GAME', p => p.game(), '8100', ['game']]
]

for (const [name, pack, bytes, call] of RECORDS) {
  test(`${name} is these bytes`, () => {
    assert.deepEqual(
      packed(1000, pack).map(plain => b4a.toString(plain, 'hex')),
      [bytes]
    )
    assert.deepEqual(calls(b4a.from(bytes, 'hex')), [call])
  })

  test(`${name}, cut anywhere, is refused`, () => {
    for (let cut = 1; cut < bytes.length / 2; cut++) {
      assert.throws(() => calls(b4a.from(bytes, 'hex').subarray(0, cut)), isProtocolError)
    }
  })
}

test('a padded PING is these bytes, as long as asked for, and no more than a PING to its reader', () => {
  const plain = paddedPing(2 ** 30, 1200)
  assert.equal(plain.byteLength, 1200)
  assert.equal(b4a.toString(plain.subarray(0, 11), 'hex'), '01808080800480a7090000')
  assert.ok(plain.subarray(9).every(byte => byte === 0))
  assert.deepEqual(calls(plain), [['ping', 2 ** 30]])
  assert.equal(b4a.toString(paddedPing(128), 'hex'), '018001')
})

test('FRAGMENT is these bytes', () => {
  const payload = b4a.from([...Array(300).keys()].map(i => i & 255))
  const datagrams = packed(200, p => p.udp(1, 2, payload))
  assert.deepEqual(
    datagrams.map(plain => b4a.toString(plain.subarray(0, 8), 'hex')),
    ['1101020000029601', '1101020001029601']
  )
  assert.deepEqual(datagrams.flatMap(calls), [
    ['fragment', { map: 1, flow: 2, id: 0, index: 0, count: 2, bytes: payload.subarray(0, 150) }],
    ['fragment', { map: 1, flow: 2, id: 0, index: 1, count: 2, bytes: payload.subarray(150) }]
  ])
})

test('records share a datagram, in their order', () => {
  const [plain, ...more] = packed(1000, p => {
    for (const [, pack] of RECORDS) pack(p)
  })
  assert.deepEqual(more, [])
  assert.deepEqual(
    calls(plain!),
    RECORDS.map(([, , , call]) => call)
  )
})

test('records of the optional range are skipped, whatever they hold', () => {
  const plain = b4a.from(`${'0101'}${'8000'}${'ff03ffffff'}${'0102'}`, 'hex')
  assert.deepEqual(calls(plain), [
    ['ping', 1],
    ['ping', 2]
  ])
})

for (const [name, bytes] of [
  ['an optional record longer than its datagram', '8002ff'],
  ['type 0', '00'],
  ['an unknown type', '7f00'],
  ['a length beyond the end', '10010205aa'],
  ['a length near 2^53', '100102ffffffffffffff0f'],
  ['a fragment of one', '1101020000010161'],
  ['a fragment of 129', '110102000081010161'],
  ['a fragment behind the last', '1101020002020161'],
  ['a fragment without content', '11010200000200'],
  ['a fragment with an id above 2^16', '1101028080040002' + '0161']
] as const) {
  test(`${name} is refused`, () => {
    assert.throws(() => calls(b4a.from(bytes, 'hex')), isProtocolError)
  })
}

test('a payload larger than UDP has is not packed', () => {
  const datagrams = packed(1200, p => {
    assert.equal(p.udp(1, 1, b4a.alloc(65_508)), false)
    assert.equal(p.udp(1, 1, b4a.alloc(65_507)), true)
  })
  assert.ok(datagrams.length <= 128)
})

test('the largest segment fits exactly', () => {
  for (const flow of [1, 127, 128, 2 ** 20]) {
    for (const size of [120, 127, 128, 1176, 1428]) {
      const room = segmentRoom(size, flow)
      const [plain] = packed(size, p => p.segment(flow, b4a.alloc(room)))
      assert.ok(plain!.byteLength <= size && plain!.byteLength >= size - 2, `${plain!.byteLength} of ${size}`)
    }
  }
})
