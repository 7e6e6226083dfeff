/**
 * The ordered stream's frames, both directions side by side. A message of the encrypted stream holds whole frames, each
 * behind its length; SPEC.md has the diagrams.
 */
import type { ErrorCode } from '../errors.js'
import { type Ipv6Address, readAddresses, writeAddresses } from './addresses.js'
import { protocolError, Reader, varintSize, Writer, writeVarint } from './bytes.js'
import { closeCode, closeNumber, FRAME, MAX_MESSAGE, MAX_REASON, OPTIONAL } from './constants.js'
import {
  type Hello,
  readHello,
  readWelcome,
  type VersionRange,
  type Welcome,
  type WireMap,
  writeHello,
  writeMaps,
  writeWelcome
} from './handshake.js'
import { type RosterGuest, writeRoster } from './roster.js'

/** What a decoder calls for each frame, in their order. */
export interface FrameSink {
  /** @param hello null when the sender's versions do not overlap ours */
  hello(versions: VersionRange, proof: Uint8Array, hello: Hello | null): void
  /** @param welcome null when the sender's versions do not overlap ours */
  welcome(versions: VersionRange, welcome: Welcome | null): void
  close(code: ErrorCode, reason: string): void
  /** @param content for `readMaps`: of many lists only the last one counts */
  maps(content: Uint8Array): void
  addresses(addresses: readonly Ipv6Address[]): void
  /** @param content for `readRoster`, in the same way */
  roster(content: Uint8Array): void
  open(flow: number, map: number, limit: number): void
  data(flow: number, offset: number, bytes: Uint8Array): void
  fin(flow: number, offset: number): void
  reset(flow: number, code: ErrorCode): void
  window(flow: number, received: number, limit: number): void
}

/** Removes what could control a terminal: a peer's text is shown on one. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

type Decode = (body: Reader, sink: FrameSink) => void

const DECODERS = new Map<number, Decode>([
  [
    FRAME.HELLO,
    (body, sink) => {
      const { versions, proof, hello } = readHello(body)
      sink.hello(versions, proof, hello)
    }
  ],
  [
    FRAME.WELCOME,
    (body, sink) => {
      const { versions, welcome } = readWelcome(body)
      sink.welcome(versions, welcome)
    }
  ],
  [
    FRAME.CLOSE,
    (body, sink) => sink.close(closeCode(body.varint(), 'PROTOCOL_ERROR'), printable(body.text(MAX_REASON)))
  ],
  [FRAME.MAPS, (body, sink) => sink.maps(body.rest())],
  [FRAME.ADDRESSES, (body, sink) => sink.addresses(readAddresses(body))],
  [FRAME.ROSTER, (body, sink) => sink.roster(body.rest())],
  [FRAME.OPEN, (body, sink) => sink.open(body.varint(), body.varint(), body.varint())],
  [FRAME.DATA, (body, sink) => sink.data(body.varint(), body.varint(), body.rest())],
  [FRAME.FIN, (body, sink) => sink.fin(body.varint(), body.varint())],
  [FRAME.RESET, (body, sink) => sink.reset(body.varint(), closeCode(body.varint(), 'FLOW_RESET'))],
  [FRAME.WINDOW, (body, sink) => sink.window(body.varint(), body.varint(), body.varint())]
])

/**
 * Decodes one message and calls the sink for each of its frames. Unknown frames of the optional range are skipped.
 * @param over asked before each frame: true stops reading
 * @returns where it stopped: at the end, unless `over` stopped it
 * @throws HyperNatError PROTOCOL_ERROR for anything that SPEC.md does not allow
 */
export function readMessage(message: Uint8Array, sink: FrameSink, over: () => boolean = () => false): number {
  if (message.byteLength > MAX_MESSAGE) throw protocolError('a message that is too long')
  const reader = new Reader(message)
  while (reader.left > 0 && !over()) {
    const body = reader.slice(reader.varint())
    const type = body.byte()
    const decode = DECODERS.get(type)
    if (decode) {
      decode(body, sink)
      body.done()
    } else if (type < OPTIONAL) throw protocolError(`a frame of the unknown type ${type}`)
  }
  return reader.at
}

/** The CLOSE that a message begins with; null when it begins with something else. */
export function closeOf(message: Uint8Array): { code: ErrorCode; reason: string } | null {
  try {
    const reader = new Reader(message)
    const body = reader.slice(reader.varint())
    if (body.byte() !== FRAME.CLOSE) return null
    return { code: closeCode(body.varint(), 'PROTOCOL_ERROR'), reason: printable(body.text(MAX_REASON)) }
  } catch {
    // The connection is over: nobody needs to know that it was not valid.
    return null
  }
}

function frame(type: number, body: (writer: Writer) => Writer): Uint8Array {
  const content = body(new Writer().byte(type)).take()
  return new Writer().varint(content.byteLength).bytes(content).take()
}

export function helloFrame(hello: Hello): Uint8Array {
  return frame(FRAME.HELLO, writer => writeHello(writer, hello))
}

export function welcomeFrame(welcome: Welcome): Uint8Array {
  return frame(FRAME.WELCOME, writer => writeWelcome(writer, welcome))
}

export function closeFrame(code: ErrorCode, reason: string): Uint8Array {
  return frame(FRAME.CLOSE, writer => writer.varint(closeNumber(code)).text(reason, MAX_REASON))
}

/** @param maps all port maps that the client may use from now on */
export function mapsFrame(maps: readonly WireMap[]): Uint8Array {
  return frame(FRAME.MAPS, writer => writeMaps(writer, maps))
}

/** @param addresses where the sender is reached by IPv6 from now on */
export function addressesFrame(addresses: readonly Ipv6Address[]): Uint8Array {
  return frame(FRAME.ADDRESSES, writer => writeAddresses(writer, addresses))
}

/** @param guests who else is connected to the server */
export function rosterFrame(guests: readonly RosterGuest[]): Uint8Array {
  return frame(FRAME.ROSTER, writer => writeRoster(writer, guests))
}

export function openFrame(flow: number, map: number, limit: number): Uint8Array {
  return frame(FRAME.OPEN, writer => writer.varint(flow).varint(map).varint(limit))
}

export function finFrame(flow: number, offset: number): Uint8Array {
  return frame(FRAME.FIN, writer => writer.varint(flow).varint(offset))
}

export function resetFrame(flow: number, code: ErrorCode): Uint8Array {
  return frame(FRAME.RESET, writer => writer.varint(flow).varint(closeNumber(code)))
}

export function windowFrame(flow: number, received: number, limit: number): Uint8Array {
  return frame(FRAME.WINDOW, writer => writer.varint(flow).varint(received).varint(limit))
}

/** Bytes that a DATA frame of `size` payload bytes takes before its payload. */
export function dataHeaderSize(flow: number, offset: number, size: number): number {
  const inner = 1 + varintSize(flow) + varintSize(offset)
  return varintSize(inner + size) + inner
}

/** Writes a DATA frame's header where the message is built (its payload is copied behind it, once); returns the position behind. */
export function writeDataHeader(
  out: Uint8Array,
  at: number,
  flow: number,
  offset: number,
  size: number
): number {
  const inner = 1 + varintSize(flow) + varintSize(offset)
  at = writeVarint(out, at, inner + size)
  out[at++] = FRAME.DATA
  at = writeVarint(out, at, flow)
  return writeVarint(out, at, offset)
}
