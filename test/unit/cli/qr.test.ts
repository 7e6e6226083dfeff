import assert from 'node:assert/strict'
import { test } from 'node:test'
import decodeQR from 'qr/decode.js'
import { qrCode } from '../../../src/cli/qr.js'

const TICKET = 'hnat1bbha56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uoyyancxqo3xkefg'
const ESCAPE = '\u001b'

/** What a camera reads off the lines: half blocks to modules, each 4 pixels wide. */
function read(lines: string, inverted = false): string {
  const rows = lines
    .replaceAll(new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g'), '')
    .trimEnd()
    .split('\n')
    .flatMap(line => [
      [...line].map(c => '\u2580\u2588'.includes(c)),
      [...line].map(c => '\u2584\u2588'.includes(c))
    ])
  const size = 4
  const width = rows[0]!.length * size
  const height = rows.length * size
  const data = new Uint8Array(width * height * 4).fill(255)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (rows[Math.floor(y / size)]![Math.floor(x / size)] !== inverted)
        data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3)
    }
  }
  return decodeQR({ width, height, data })
}

test('what is shown can be read', () => {
  for (const columns of [undefined, 80]) {
    assert.equal(read(qrCode(TICKET, columns)), TICKET.toUpperCase())
  }
  assert.equal(read(qrCode(TICKET.repeat(3), 100)), TICKET.repeat(3).toUpperCase())
})

test('a terminal has it black on white, a file without colours', () => {
  assert.ok(qrCode(TICKET, 80).startsWith(`${ESCAPE}[30;107m`))
  assert.doesNotMatch(qrCode(TICKET, undefined), new RegExp(ESCAPE))
})

test('the ticket of one port fits into a window of 80 columns and 24 rows', () => {
  const lines = qrCode(TICKET, undefined).trimEnd().split('\n')
  assert.ok(lines[0]!.length <= 45 && lines.length <= 23, `${lines[0]!.length} x ${lines.length}`)
})

test('a window that is too narrow is reported', () => {
  assert.match(qrCode(TICKET, 20), /^\(The QR code needs a window of \d+ columns; this one has 20.\)\n$/)
})
