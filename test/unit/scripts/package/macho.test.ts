import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkSignature, signed } from '../../../../scripts/package/macho.js'

const HEADER = 32
const SEGMENT = 72
const SECTION = 80

/** A program of two segments, with room for `room` bytes of load commands. */
function executable({ room = 64, size = 20_000 } = {}): Buffer {
  const commands = SEGMENT + SECTION + SEGMENT
  const file = Buffer.alloc(size, 0x90)
  file.fill(0, 0, HEADER + commands + room)
  file.writeUInt32LE(0xfeedfacf, 0)
  file.writeUInt32LE(2, 16)
  file.writeUInt32LE(commands, 20)
  const segment = (at: number, name: string, bytes: number, offset: number, length: number): void => {
    file.writeUInt32LE(0x19, at)
    file.writeUInt32LE(bytes, at + 4)
    file.write(name, at + 8, 'latin1')
    file.writeBigUInt64LE(BigInt(offset), at + 40)
    file.writeBigUInt64LE(BigInt(length), at + 48)
  }
  segment(HEADER, '__TEXT', SEGMENT + SECTION, 0, 16_384)
  file.writeUInt32LE(1, HEADER + 64)
  file.writeUInt32LE(HEADER + commands + room, HEADER + SEGMENT + 48)
  segment(HEADER + SEGMENT + SECTION, '__LINKEDIT', SEGMENT, 16_384, size - 16_384)
  return file
}

test('a signature covers every page, and the load command that names it', () => {
  const made = signed(executable(), 'hyper-nat')
  assert.equal(checkSignature(made), Math.ceil(20_000 / 4096))
  assert.equal(made.readUInt32LE(16), 3)
})

test('a byte that changes anywhere is found', () => {
  for (const at of [20, 300, 5000, 19_999]) {
    const made = signed(executable(), 'hyper-nat')
    made[at]! ^= 1
    assert.throws(() => checkSignature(made), /changed|executable|Mach-O|signed/, String(at))
  }
})

test('what is signed, or has no room for it, is refused', () => {
  assert.throws(() => signed(signed(executable(), 'x'), 'x'), /already/)
  assert.throws(() => signed(executable({ room: 8 }), 'x'), /no room/)
  assert.throws(() => signed(Buffer.alloc(1000), 'x'), /no 64-bit Mach-O/)
  assert.throws(() => checkSignature(executable()), /not signed/)
})
