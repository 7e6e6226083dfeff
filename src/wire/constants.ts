/**
 * The wire's table of numbers: what both ends must agree on. A change here is a change of the protocol and goes with one in
 * SPEC.md. Our own numbers (buffers, timers, limits) are in `limits.ts`.
 */
import type { ErrorCode } from '../errors.js'

/** Versions of the session protocol that this program speaks; two peers use the highest that both know. */
export const VERSIONS = { lowest: 1, highest: 1 } as const

/**
 * Feature bits of HELLO and WELCOME: what a peer can do beyond its version. A feature is used on a connection when both sides
 * have set its bit.
 */
export const FEATURE = {
  /** The client understands MAPS. */
  MAPS: 1,
  /** The server takes segments of ARQ flows for `tcp` maps. */
  TCP_OVER_ARQ: 2,
  /** The sender understands ADDRESSES and is ready for a second connection over IPv6. */
  IPV6: 4
} as const

/** The features of this program. */
export const FEATURES = Object.values(FEATURE).reduce((all, bit) => all | bit, 0)

/** The features of a node that leaves IPv6 alone, or not. */
export function featuresOf(ipv6: boolean): number {
  return ipv6 ? FEATURES : FEATURES & ~FEATURE.IPV6
}

/** Bytes of a key, of a proof and of the handshake hash's digest. */
export const KEY_BYTES = 32

/** Bytes of a session id. */
export const SESSION_ID_BYTES = 16

/** Frame and record types from here on are optional: a peer that does not know one skips it. */
export const OPTIONAL = 0x80

/** Frames of the ordered stream. */
export const FRAME = {
  HELLO: 0x01,
  WELCOME: 0x02,
  CLOSE: 0x03,
  MAPS: 0x06,
  ADDRESSES: 0x07,
  OPEN: 0x10,
  DATA: 0x11,
  FIN: 0x12,
  RESET: 0x13,
  WINDOW: 0x14,
  /** Optional: who else is connected to the server. */
  ROSTER: 0x80
} as const

/** Records inside a datagram. */
export const RECORD = {
  PING: 0x01,
  PONG: 0x02,
  UDP: 0x10,
  FRAGMENT: 0x11,
  SEGMENT: 0x12,
  /** Optional: ignored by every receiver. */
  PADDING: 0x80,
  /** Optional: a game is played on the sender's node. */
  GAME: 0x81
} as const

/** Optional fields of HELLO and WELCOME. */
export const FIELD = {
  /** In HELLO: sessions of the client that are over at its side. */
  OVER: 0x00,
  /** In WELCOME: how long the host has been running. */
  UPTIME: 0x01
} as const

/** Sessions that a HELLO may name as over. */
export const MAX_OVER = 32

/** Protocols of port maps. */
export const PROTO_CODE = { tcp: 1, udp: 2, tcpudp: 3 } as const

/** Codes in CLOSE and RESET. */
export const CLOSE_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  GOODBYE: 1,
  WRONG_KEY: 2,
  VERSION_MISMATCH: 3,
  PROTOCOL_ERROR: 4,
  TOO_MANY_SESSIONS: 5,
  SESSION_EXPIRED: 6,
  HANDSHAKE_TIMEOUT: 7,
  NOT_INVITED: 8,
  INVITE_EXPIRED: 9,
  TOO_MANY_DEVICES: 10,
  ACCESS_CHANGED: 11,
  FLOW_RESET: 16,
  MAP_NOT_SHARED: 17,
  TARGET_REFUSED: 18,
  TARGET_UNREACHABLE: 19,
  TARGET_TIMEOUT: 20,
  TOO_MANY_FLOWS: 21,
  INTERNAL: 31
}

/** Credit that each side of a flow has before the first WINDOW, bytes. */
export const INITIAL_WINDOW = 256 * 1024

/** Largest message of the ordered stream, bytes; a longer one is a protocol error. */
export const MAX_MESSAGE = 256 * 1024

/** Largest UDP payload that is carried, bytes (65,535 less the IP and UDP headers). */
export const MAX_UDP_PAYLOAD = 65_507

/** The UDP flow of a map that carries what its game announces to the LAN; conversations are numbered from 1. */
export const ANNOUNCEMENTS = 0

/** Bytes of an announcement at the most. */
export const MAX_ANNOUNCEMENT = 1400

/** Fragments of one UDP payload at the most. */
export const MAX_FRAGMENTS = 128

/** Port maps that a server can name. */
export const MAX_MAPS = 1024

/** Addresses in one ADDRESSES at the most, and bytes of each. */
export const MAX_ADDRESSES = 4
export const ADDRESS_BYTES = 16

/** Guests in one ROSTER at the most, and bytes of a name. */
export const MAX_ROSTER = 64
export const MAX_ROSTER_NAME = 256

/** Bytes of text in a CLOSE at the most. */
export const MAX_REASON = 512

/** Bytes of the counter that opens a datagram. */
export const COUNTER_BYTES = 8

/** Bytes of a datagram's authentication tag (ChaCha20-Poly1305, RFC 8439). */
export const TAG_BYTES = 16

/** What sealing adds to a datagram, bytes. */
export const SEAL_BYTES = COUNTER_BYTES + TAG_BYTES

/** How far behind the newest counter a datagram may arrive, datagrams. */
export const REPLAY_WINDOW = 8192

const byNumber = new Map(Object.entries(CLOSE_CODE).map(([name, number]) => [number, name as ErrorCode]))

/** The number of a code on the wire; INTERNAL's for one that has none. */
export function closeNumber(code: ErrorCode): number {
  return CLOSE_CODE[code] ?? CLOSE_CODE.INTERNAL!
}

/** The code of a number from the wire; `unknown` for a number that a later version may have added. */
export function closeCode(number: number, unknown: ErrorCode): ErrorCode {
  return byNumber.get(number) ?? unknown
}
