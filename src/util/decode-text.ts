/** Text of files that people edit, with any program of any system. */
import { OptionsError } from '../errors.js'

/**
 * Text of a file in UTF-8 with or without a byte order mark, or in UTF-16 with one.
 * @throws OptionsError `BAD_OPTIONS` for what is neither
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : 'utf-8'
  try {
    // The decoder drops the byte order mark itself.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    throw new OptionsError([
      { path: '', message: `not ${encoding.toUpperCase()} text; save the file as UTF-8` }
    ])
  }
}
