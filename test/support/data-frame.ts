import b4a from 'b4a'
import { dataHeaderSize, writeDataHeader } from '../../src/wire/frames.js'

/** A whole DATA frame; the session itself writes its bytes into the message behind the header. */
export function dataFrame(flow: number, offset: number, bytes: Uint8Array): Uint8Array {
  const frame = b4a.alloc(dataHeaderSize(flow, offset, bytes.byteLength) + bytes.byteLength)
  frame.set(bytes, writeDataHeader(frame, 0, flow, offset, bytes.byteLength))
  return frame
}
