/** A ticket as a QR code in the terminal. */

import encodeQR from 'qr'

/** Modules of white around the code, by the standard. */
const BORDER = 4

/** Black on white, whatever the terminal's own colours: not every reader takes a code with colours reversed. */
const BLACK_ON_WHITE = '\u001b[30;107m'
const RESET = '\u001b[0m'

/** Upper and lower half of a character cell: nothing, upper, lower, both. */
const HALVES = [' ', '\u2580', '\u2584', '\u2588'] as const

/**
 * Lines of half blocks, two rows of modules each.
 * @param text in capitals, as the alphanumeric mode holds no others, and takes 5.5 bits for each character in place of 8
 * @param columns width of the terminal; undefined where there is none, and then no colours are used
 */
export function qrCode(text: string, columns: number | undefined): string {
  const rows = encodeQR(text.toUpperCase(), 'raw', { ecc: 'low', border: BORDER })
  const width = rows.length
  if (columns !== undefined && columns < width) {
    return `(The QR code needs a window of ${width} columns; this one has ${columns}.)\n`
  }
  let lines = ''
  for (let y = 0; y < rows.length; y += 2) {
    const line = rows[y]!.map((dark, x) => HALVES[(dark ? 1 : 0) + (rows[y + 1]?.[x] ? 2 : 0)]).join('')
    lines += columns === undefined ? `${line}\n` : `${BLACK_ON_WHITE}${line}${RESET}\n`
  }
  return lines
}
