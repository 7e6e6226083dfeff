/**
 * The ordered stream's frames, both directions side by side. A message of the encrypted stream holds whole frames, each
 * behind its length; SPEC.md has the diagrams.
 */
import type { ErrorCode } from '../errors.js'
import type { Proto } from '../proto.js'
import { protocolError, Reader, varintSize, Writer, writeVarint } from './bytes.js'
import {
  closeCode,
  closeNumber,
  FRAME,
  KEY_BYTES,
  MAX_MAPS,
  MAX_MESSAGE,
  MAX_REASON,
  PROTO_CODE,
  SESSION_ID_BYTES
} from './constants.js'

/** A port map as the server names it; `id` stands for it on this session. */
export interface WireMap {
  readonly id: number
  readonly proto: Proto
  readonly port: number
}

/** How far one side has received a flow: the next offset it waits for; FIN counts as one byte. */
export interface FlowPosition {
  readonly flow: number
  readonly received: number
}

/** The client's first message. */
export interface Hello {
  readonly version: number
  /** That the client knows the shared key, bound to this handshake: see SPEC.md. */
  readonly proof: Uint8Array
  /** Seals the client's datagrams on this connection. */
  readonly datagramKey: Uint8Array
  /** The session to go on with, or null for a new one. */
  readonly resume: {
    readonly session: Uint8Array
    /** The highest flow that the client has opened. */
    readonly highest: number
    readonly flows: readonly FlowPosition[]
  } | null
}

/** The server's answer. */
export interface Welcome {
  readonly version: number
  readonly session: Uint8Array
  /** The id of the host that answers: its name among those that share the secret, and proof if it was dialled as such. */
  readonly host: Uint8Array
  /** Seals the server's datagrams on this connection. */
  readonly datagramKey: Uint8Array
  readonly maps: readonly WireMap[]
  /** Set when the session goes on: the highest flow that the server has seen, and how far it got with each. */
  readonly resumed: { readonly highest: number; readonly flows: readonly FlowPosition[] } | null
}

/** What a decoder calls for each frame, in their order. */
export interface FrameSink {
  hello(hello: Hello): void
  welcome(welcome: Welcome): void
  close(code: ErrorCode, reason: string): void
  /** @param padding how many bytes filled it up */
  ping(id: number, padding: number): void
  pong(id: number, padding: number): void
  maps(maps: readonly WireMap[]): void
  open(flow: number, map: number, limit: number): void
  data(flow: number, offset: number, bytes: Uint8Array): void
  fin(flow: number, offset: number): void
  reset(flow: number, code: ErrorCode): void
  window(flow: number, received: number, limit: number): void
}

const PROTO_NAME = new Map<number, Proto>(
  Object.entries(PROTO_CODE).map(([name, code]) => [code, name as Proto])
)

/** A peer's text is shown on a console: nothing in it may steer that. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

type Decode = (body: Reader, sink: FrameSink) => void

const DECODERS = new Map<number, Decode>([
  [FRAME.HELLO, (body, sink) => sink.hello(readHello(body))],
  [FRAME.WELCOME, (body, sink) => sink.welcome(readWelcome(body))],
  [FRAME.CLOSE, (body, sink) => sink.close(closeCode(body.varint()), printable(body.text(MAX_REASON)))],
  [FRAME.PING, (body, sink) => sink.ping(body.varint(), body.rest().byteLength)],
  [FRAME.PONG, (body, sink) => sink.pong(body.varint(), body.rest().byteLength)],
  [FRAME.MAPS, (body, sink) => sink.maps(readMaps(body))],
  [FRAME.OPEN, (body, sink) => sink.open(body.varint(), body.varint(), body.varint())],
  [FRAME.DATA, (body, sink) => sink.data(body.varint(), body.varint(), body.rest())],
  [FRAME.FIN, (body, sink) => sink.fin(body.varint(), body.varint())],
  [FRAME.RESET, (body, sink) => sink.reset(body.varint(), closeCode(body.varint()))],
  [FRAME.WINDOW, (body, sink) => sink.window(body.varint(), body.varint(), body.varint())]
])

/**
 * Decodes one message and calls the sink for each of its frames.
 * @param over asked before each frame: whether what follows is of no interest now
 * @returns where it stopped: the end, unless `over` came before
 * @throws HyperNatError PROTOCOL_ERROR for anything that SPEC.md does not allow
 */
export function readMessage(message: Uint8Array, sink: FrameSink, over: () => boolean = () => false): number {
  if (message.byteLength > MAX_MESSAGE) throw protocolError('a message that is too long')
  const reader = new Reader(message)
  while (reader.left > 0 && !over()) {
    const body = reader.slice(reader.varint())
    const type = body.byte()
    const decode = DECODERS.get(type)
    if (!decode) throw protocolError(`a frame of the unknown type ${type}`)
    decode(body, sink)
    body.done()
  }
  return reader.at
}

function frame(type: number, body: (writer: Writer) => Writer): Uint8Array {
  const content = body(new Writer().byte(type)).take()
  return new Writer().varint(content.byteLength).bytes(content).take()
}

export function helloFrame(hello: Hello): Uint8Array {
  return frame(FRAME.HELLO, writer => {
    writer.varint(hello.version).bytes(hello.proof).bytes(hello.datagramKey)
    if (!hello.resume) return writer.byte(0)
    writer.byte(1).bytes(hello.resume.session).varint(hello.resume.highest)
    return writePositions(writer, hello.resume.flows)
  })
}

function readHello(body: Reader): Hello {
  const version = body.varint()
  const proof = body.bytes(KEY_BYTES)
  const datagramKey = body.bytes(KEY_BYTES)
  const resume = readFlag(body)
    ? { session: body.bytes(SESSION_ID_BYTES), highest: body.varint(), flows: readPositions(body) }
    : null
  return { version, proof, datagramKey, resume }
}

export function welcomeFrame(welcome: Welcome): Uint8Array {
  return frame(FRAME.WELCOME, writer => {
    writer.varint(welcome.version).bytes(welcome.session).bytes(welcome.host)
    writer.bytes(welcome.datagramKey)
    writeMaps(writer, welcome.maps)
    if (!welcome.resumed) return writer.byte(0)
    writer.byte(1).varint(welcome.resumed.highest)
    return writePositions(writer, welcome.resumed.flows)
  })
}

function readWelcome(body: Reader): Welcome {
  const version = body.varint()
  const session = body.bytes(SESSION_ID_BYTES)
  const host = body.bytes(KEY_BYTES)
  const datagramKey = body.bytes(KEY_BYTES)
  const maps = readMaps(body)
  const resumed = readFlag(body) ? { highest: body.varint(), flows: readPositions(body) } : null
  return { version, session, host, datagramKey, maps, resumed }
}

function writeMaps(writer: Writer, maps: readonly WireMap[]): Writer {
  writer.varint(maps.length)
  for (const map of maps) writer.varint(map.id).byte(PROTO_CODE[map.proto]).varint(map.port)
  return writer
}

function readMaps(body: Reader): WireMap[] {
  const count = body.varint()
  if (count > MAX_MAPS) throw protocolError('too many port maps')
  const maps: WireMap[] = []
  for (let i = 0; i < count; i++) {
    const id = body.varint()
    const proto = PROTO_NAME.get(body.byte())
    const port = body.varint()
    if (!proto || port < 1 || port > 65535) throw protocolError('a port map that makes no sense')
    maps.push({ id, proto, port })
  }
  return maps
}

function readFlag(body: Reader): boolean {
  const flag = body.byte()
  if (flag > 1) throw protocolError('a flag that is neither yes nor no')
  return flag === 1
}

function writePositions(writer: Writer, flows: readonly FlowPosition[]): Writer {
  writer.varint(flows.length)
  for (const { flow, received } of flows) writer.varint(flow).varint(received)
  return writer
}

function readPositions(body: Reader): FlowPosition[] {
  const count = body.varint()
  if (count * 2 > body.left) throw protocolError('a list longer than its frame')
  const flows: FlowPosition[] = []
  for (let i = 0; i < count; i++) flows.push({ flow: body.varint(), received: body.varint() })
  return flows
}

export function closeFrame(code: ErrorCode, reason: string): Uint8Array {
  return frame(FRAME.CLOSE, writer => writer.varint(closeNumber(code)).text(reason, MAX_REASON))
}

/** @param padding bytes without meaning that fill the frame up */
export function pingFrame(id: number, padding = 0): Uint8Array {
  return frame(FRAME.PING, writer => writer.varint(id).bytes(new Uint8Array(padding)))
}

/** @param padding as many bytes as the ping had, {@link MAX_PING_PADDING} at the most */
export function pongFrame(id: number, padding = 0): Uint8Array {
  return frame(FRAME.PONG, writer => writer.varint(id).bytes(new Uint8Array(padding)))
}

/** @param maps all that the client may use from now on */
export function mapsFrame(maps: readonly WireMap[]): Uint8Array {
  return frame(FRAME.MAPS, writer => writeMaps(writer, maps))
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
