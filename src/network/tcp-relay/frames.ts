/** The frames of SPEC.md, and messages that hold them. */

export const VERSION = 1

/** Largest message that is read, bytes. */
export const MESSAGE_MAX = 65_536

/**
 * What both sides let a WebSocket do. A message of ours is one frame; a proxy may cut it into a few. In how many pieces a message or frame
 * arrives is bounded, too, since each costs memory of its own, however small it is.
 */
export const WEBSOCKET = {
  perMessageDeflate: false,
  maxPayload: MESSAGE_MAX,
  maxFragments: 64,
  maxBufferedChunks: 1024
} as const

/** Bytes of a session's name. */
export const SESSION_BYTES = 16

/** Bytes of a token. */
export const TOKEN_MAX = 255

/** Bytes before a frame's body, and before a packet in the body of PACKET. */
export const FRAME_HEAD = 3
export const PACKET_HEAD = 8

export const FRAME = {
  hello: 0x01,
  welcome: 0x02,
  open: 0x03,
  bound: 0x04,
  close: 0x05,
  packet: 0x06,
  received: 0x07
} as const

/** Frames from here on are passed over by those who do not know them. */
const OPTIONAL_FROM = 0x80

/** Codes with which a WebSocket is closed. */
export const CLOSE = {
  fault: 4400,
  token: 4401,
  version: 4406,
  silent: 4408,
  resumed: 4409,
  tooMany: 4429,
  ending: 1001
} as const

/** What a relay leads to: the network, or the one server that it is part of. */
export type RelayKind = 'network' | 'server'

const KINDS: readonly RelayKind[] = ['network', 'server']

export interface Hello {
  readonly lowest: number
  readonly highest: number
  /** Null for a new session. */
  readonly session: Buffer | null
  readonly token: string
}

export interface Welcome {
  readonly version: number
  readonly kind: RelayKind
  readonly session: Buffer
  readonly resumed: boolean
}

/** Receives what {@link readMessage} finds; each side leaves out what it does not expect. */
export interface FrameHandler {
  hello?: ((hello: Hello) => void) | undefined
  welcome?: ((welcome: Welcome) => void) | undefined
  open?: ((socket: number) => void) | undefined
  bound?: ((socket: number, port: number) => void) | undefined
  close?: ((socket: number) => void) | undefined
  /** @param host an IPv4 address as a number */
  packet?: ((socket: number, host: number, port: number, packet: Buffer) => void) | undefined
  received?: ((bytes: number) => void) | undefined
}

/** A message that breaks SPEC.md. */
export class FrameFault extends Error {}

function frame(type: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(FRAME_HEAD + size)
  buffer[0] = type
  buffer.writeUInt16BE(size, 1)
  return buffer
}

export function hello({ lowest, highest, session, token }: Hello): Buffer {
  const text = Buffer.from(token)
  if (text.byteLength > TOKEN_MAX) throw new RangeError('the token is too long')
  const buffer = frame(FRAME.hello, 2 + SESSION_BYTES + 1 + text.byteLength)
  buffer.fill(0, FRAME_HEAD)
  buffer[3] = lowest
  buffer[4] = highest
  session?.copy(buffer, 5)
  buffer[5 + SESSION_BYTES] = text.byteLength
  text.copy(buffer, 6 + SESSION_BYTES)
  return buffer
}

export function welcome({ version, kind, session, resumed }: Welcome): Buffer {
  const buffer = frame(FRAME.welcome, 3 + SESSION_BYTES)
  buffer[3] = version
  buffer[4] = KINDS.indexOf(kind)
  session.copy(buffer, 5)
  buffer[5 + SESSION_BYTES] = resumed ? 1 : 0
  return buffer
}

export function open(socket: number): Buffer {
  const buffer = frame(FRAME.open, 2)
  buffer.writeUInt16BE(socket, 3)
  return buffer
}

export function bound(socket: number, port: number): Buffer {
  const buffer = frame(FRAME.bound, 4)
  buffer.writeUInt16BE(socket, 3)
  buffer.writeUInt16BE(port, 5)
  return buffer
}

export function close(socket: number): Buffer {
  const buffer = frame(FRAME.close, 2)
  buffer.writeUInt16BE(socket, 3)
  return buffer
}

/** @param host an IPv4 address as a number */
export function packet(socket: number, host: number, port: number, payload: Uint8Array): Buffer {
  const buffer = frame(FRAME.packet, PACKET_HEAD + payload.byteLength)
  buffer.writeUInt16BE(socket, 3)
  buffer.writeUInt32BE(host, 5)
  buffer.writeUInt16BE(port, 9)
  buffer.set(payload, 11)
  return buffer
}

export function received(bytes: number): Buffer {
  const buffer = frame(FRAME.received, 4)
  buffer.writeUInt32BE(bytes >>> 0, 3)
  return buffer
}

/** Size of the body of each type at the least; PACKET, HELLO and WELCOME may have more. */
const SIZES: Readonly<Record<number, readonly [name: keyof FrameHandler, size: number, exact: boolean]>> = {
  [FRAME.hello]: ['hello', 3 + SESSION_BYTES, false],
  [FRAME.welcome]: ['welcome', 3 + SESSION_BYTES, false],
  [FRAME.open]: ['open', 2, true],
  [FRAME.bound]: ['bound', 4, true],
  [FRAME.close]: ['close', 2, true],
  [FRAME.packet]: ['packet', PACKET_HEAD + 1, false],
  [FRAME.received]: ['received', 4, true]
}

/**
 * Hands the frames of a message to `handler`, in order. Packets are views of the message.
 * @returns how many there are
 * @throws FrameFault at the first frame that breaks SPEC.md, or that the handler does not expect
 */
export function readMessage(message: Buffer, handler: FrameHandler): number {
  if (message.byteLength === 0) throw new FrameFault('an empty message')
  let frames = 0
  for (let at = 0; at < message.byteLength; frames++) {
    if (at + FRAME_HEAD > message.byteLength) throw new FrameFault('a frame that is cut short')
    const type = message[at]!
    const start = at + FRAME_HEAD
    at = start + message.readUInt16BE(at + 1)
    if (at > message.byteLength) throw new FrameFault('a frame that is cut short')
    if (type < OPTIONAL_FROM) readFrame(type, message.subarray(start, at), handler)
  }
  return frames
}

function readFrame(type: number, body: Buffer, handler: FrameHandler): void {
  const known = SIZES[type]
  if (!known) throw new FrameFault(`a frame of type ${type}`)
  const [name, size, exact] = known
  if (body.byteLength < size || (exact && body.byteLength > size))
    throw new FrameFault(`a frame ${name} of ${body.byteLength} bytes`)
  if (!handler[name]) throw new FrameFault(`a frame ${name} out of turn`)
  switch (type) {
    case FRAME.hello:
      return handler.hello!(readHello(body))
    case FRAME.welcome:
      return handler.welcome!(readWelcome(body))
    case FRAME.open:
      return handler.open!(body.readUInt16BE(0))
    case FRAME.bound:
      return handler.bound!(body.readUInt16BE(0), body.readUInt16BE(2))
    case FRAME.close:
      return handler.close!(body.readUInt16BE(0))
    case FRAME.packet:
      return handler.packet!(
        body.readUInt16BE(0),
        body.readUInt32BE(2),
        body.readUInt16BE(6),
        body.subarray(PACKET_HEAD)
      )
    case FRAME.received:
      return handler.received!(body.readUInt32BE(0))
  }
}

function readHello(body: Buffer): Hello {
  const lowest = body[0]!
  const highest = body[1]!
  const name = Buffer.from(body.subarray(2, 2 + SESSION_BYTES))
  const size = body[2 + SESSION_BYTES]!
  const start = 3 + SESSION_BYTES
  if (start + size > body.byteLength) throw new FrameFault('a token that is cut short')
  return {
    lowest,
    highest,
    session: name.some(byte => byte !== 0) ? name : null,
    token: body.toString('utf8', start, start + size)
  }
}

function readWelcome(body: Buffer): Welcome {
  const kind = KINDS[body[1]!]
  if (kind === undefined) throw new FrameFault(`a relay of kind ${body[1]}`)
  return {
    version: body[0]!,
    kind,
    session: Buffer.from(body.subarray(2, 2 + SESSION_BYTES)),
    resumed: body[2 + SESSION_BYTES] === 1
  }
}
