/**
 * HELLO and WELCOME, the first frame of each side. Their layout never changes: what a later version adds are versions, feature
 * bits and optional fields. SPEC.md, "Handshake".
 */
import type { Proto } from '../proto.js'
import { protocolError, type Reader, varintSize, type Writer } from './bytes.js'
import { FIELD, KEY_BYTES, MAX_MAPS, MAX_OVER, PROTO_CODE, SESSION_ID_BYTES, VERSIONS } from './constants.js'

const KNOWN_FIELDS: ReadonlySet<number> = new Set(Object.values(FIELD))

/** A range of protocol versions, both ends included. */
export interface VersionRange {
  readonly lowest: number
  readonly highest: number
}

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

/** What both sides say in their first frame. */
interface Offer {
  readonly versions: VersionRange
  /** Bits of {@link FEATURE}, and of features that this version does not know. */
  readonly features: number
  /** Seals the sender's datagrams on this connection. */
  readonly datagramKey: Uint8Array
}

/** The client's first frame. */
export interface Hello extends Offer {
  /** Proves that the client knows the shared key, for this Noise handshake only. */
  readonly proof: Uint8Array
  /** The session to resume; null for a new one. */
  readonly resume: {
    readonly session: Uint8Array
    /** The highest flow that the client has opened. */
    readonly highest: number
    readonly flows: readonly FlowPosition[]
  } | null
  /** Sessions of this client that are over at its side, perhaps of other servers; at most {@link MAX_OVER}. Left out: none. */
  readonly over?: readonly Uint8Array[] | undefined
}

/** The server's first frame. */
export interface Welcome extends Offer {
  readonly session: Uint8Array
  /** The id of the host that answers: its name among those that share the secret, and its proof if its own key was dialled. */
  readonly host: Uint8Array
  readonly maps: readonly WireMap[]
  /** Set when the session is resumed: the highest flow that the server has seen, and how far it has received each. */
  readonly resumed: { readonly highest: number; readonly flows: readonly FlowPosition[] } | null
  /** How long this host has been running, ms; undefined when it does not say. */
  readonly uptime?: number | undefined
}

/** The version that two sides speak: the highest that both know; null when there is none. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | null {
  const highest = Math.min(ours.highest, theirs.highest)
  return highest >= Math.max(ours.lowest, theirs.lowest) ? highest : null
}

export function writeHello(writer: Writer, hello: Hello): Writer {
  writer.varint(hello.versions.lowest).varint(hello.versions.highest)
  writer.bytes(hello.proof).bytes(hello.datagramKey).varint(hello.features)
  const { resume } = hello
  if (resume) {
    writer.byte(1).bytes(resume.session).varint(resume.highest)
    writePositions(writer, resume.flows)
  } else writer.byte(0)
  const { over = [] } = hello
  if (over.length > 0) {
    writer.varint(FIELD.OVER).varint(over.length * SESSION_ID_BYTES)
    for (const session of over) writer.bytes(session)
  }
  return writer
}

/**
 * Reads a HELLO. The proof comes before anything that depends on the version, so that it can be checked first.
 * @returns `hello` is null when the versions do not overlap: then the rest may be anything
 */
export function readHello(body: Reader): {
  versions: VersionRange
  proof: Uint8Array
  hello: Hello | null
} {
  const versions = readVersions(body)
  const proof = body.bytes(KEY_BYTES)
  if (commonVersion(VERSIONS, versions) === null) {
    body.rest()
    return { versions, proof, hello: null }
  }
  const datagramKey = body.bytes(KEY_BYTES)
  const features = body.varint()
  const resume = readFlag(body)
    ? { session: body.bytes(SESSION_ID_BYTES), highest: body.varint(), flows: readPositions(body) }
    : null
  const field = readFields(body).get(FIELD.OVER)
  const over = field && { over: readSessions(field) }
  return { versions, proof, hello: { versions, proof, datagramKey, features, resume, ...over } }
}

export function writeWelcome(writer: Writer, welcome: Welcome): Writer {
  writer.varint(welcome.versions.lowest).varint(welcome.versions.highest)
  writer.bytes(welcome.session).bytes(welcome.host).bytes(welcome.datagramKey).varint(welcome.features)
  writeMaps(writer, welcome.maps)
  const { resumed } = welcome
  if (resumed) {
    writer.byte(1).varint(resumed.highest)
    writePositions(writer, resumed.flows)
  } else writer.byte(0)
  const { uptime } = welcome
  if (uptime !== undefined) writer.varint(FIELD.UPTIME).varint(varintSize(uptime)).varint(uptime)
  return writer
}

/** Reads a WELCOME. @returns `welcome` is null when the versions do not overlap */
export function readWelcome(body: Reader): { versions: VersionRange; welcome: Welcome | null } {
  const versions = readVersions(body)
  if (commonVersion(VERSIONS, versions) === null) {
    body.rest()
    return { versions, welcome: null }
  }
  const session = body.bytes(SESSION_ID_BYTES)
  const host = body.bytes(KEY_BYTES)
  const datagramKey = body.bytes(KEY_BYTES)
  const features = body.varint()
  const maps = readMaps(body)
  const resumed = readFlag(body) ? { highest: body.varint(), flows: readPositions(body) } : null
  const field = readFields(body).get(FIELD.UPTIME)
  const uptime = field && { uptime: field.varint() }
  return { versions, welcome: { versions, session, host, datagramKey, features, maps, resumed, ...uptime } }
}

function readVersions(body: Reader): VersionRange {
  const lowest = body.varint()
  const highest = body.varint()
  if (lowest < 1 || lowest > highest) throw protocolError('an impossible range of versions')
  return { lowest, highest }
}

const PROTO_NAME = new Map<number, Proto>(
  Object.entries(PROTO_CODE).map(([name, code]) => [code, name as Proto])
)

export function writeMaps(writer: Writer, maps: readonly WireMap[]): Writer {
  writer.varint(maps.length)
  for (const map of maps) writer.varint(map.id).byte(PROTO_CODE[map.proto]).varint(map.port)
  return writer
}

/** Reads a list of port maps; leaves out those of a protocol that this version does not know. */
export function readMaps(body: Reader): WireMap[] {
  const count = body.varint()
  if (count > MAX_MAPS) throw protocolError('too many port maps')
  const maps: WireMap[] = []
  for (let i = 0; i < count; i++) {
    const id = body.varint()
    const code = body.byte()
    const port = body.varint()
    if (code === 0 || port < 1 || port > 65535) throw protocolError('an invalid port map')
    const proto = PROTO_NAME.get(code)
    if (proto) maps.push({ id, proto, port })
  }
  return maps
}

function readFlag(body: Reader): boolean {
  const flag = body.byte()
  if (flag > 1) throw protocolError('a flag other than 0 or 1')
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

function readSessions(field: Reader): Uint8Array[] {
  if (field.left > MAX_OVER * SESSION_ID_BYTES) throw protocolError('too many sessions that are over')
  const sessions: Uint8Array[] = []
  while (field.left > 0) sessions.push(field.bytes(SESSION_ID_BYTES))
  return sessions
}

/** The optional fields that this version knows, by type; the rest up to the end of the frame is skipped. */
function readFields(body: Reader): Map<number, Reader> {
  const fields = new Map<number, Reader>()
  while (body.left > 0) {
    const type = body.varint()
    const field = body.slice(body.varint())
    if (KNOWN_FIELDS.has(type)) fields.set(type, field)
  }
  return fields
}
