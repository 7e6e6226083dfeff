/**
 * What Minecraft (Java) and a server in its list say to each other. Packets are length, id, fields; numbers are varints, texts have
 * their length in front. Source: https://minecraft.wiki/w/Java_Edition_protocol/Server_List_Ping
 */
import net from 'node:net'

/** Of 1.21. */
const PROTOCOL = 767

const HANDSHAKE = 0
const STATUS = 0
/** The state that a handshake asks for: to be told about the server, not to play. */
const NEXT_STATUS = 1

/** More than a server says of itself here. */
const PACKET_MAX = 1000

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([varint(bytes.length), bytes])
}

function packet(id: number, ...fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat([varint(id), ...fields])
  return Buffer.concat([varint(body.length), body])
}

/** Reads the bytes of packets in order. */
class Reader {
  at = 0

  constructor(readonly bytes: Buffer) {}

  varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes.readUInt8(this.at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  text(): string {
    const length = this.varint()
    return this.bytes.toString('utf8', this.at, (this.at += length))
  }

  port(): number {
    this.at += 2
    return this.bytes.readUInt16BE(this.at - 2)
  }
}

/** The packets of a connection whose bytes have all come, without their lengths; what is left over is dropped. */
function packets(bytes: Buffer): Buffer[] {
  const reader = new Reader(bytes)
  const found: Buffer[] = []
  try {
    while (reader.at < bytes.length) {
      const length = reader.varint()
      if (length > PACKET_MAX) throw new Error(`a packet of ${length} bytes`)
      if (reader.at + length > bytes.length) break
      found.push(bytes.subarray(reader.at, (reader.at += length)))
    }
  } catch (err) {
    // A length that is cut off.
    if (!(err instanceof RangeError)) throw err
  }
  return found
}

/** What a client says that has typed this address, or took it from its list. */
function statusRequest(host: string, port: number): Buffer {
  const to = Buffer.alloc(2)
  to.writeUInt16BE(port)
  return Buffer.concat([
    packet(HANDSHAKE, varint(PROTOCOL), text(host), to, varint(NEXT_STATUS)),
    packet(STATUS)
  ])
}

/** What a server of this name says to a client that has said this. */
function statusAnswer(name: string, handshake: Buffer): Buffer {
  const reader = new Reader(handshake)
  const [id, protocol, host, port, next] = [
    reader.varint(),
    reader.varint(),
    reader.text(),
    reader.port(),
    reader.varint()
  ]
  if (id !== HANDSHAKE || next !== NEXT_STATUS) throw new Error(`no handshake for status: ${id}, ${next}`)
  const description = { text: `${name} for ${host}:${port}` }
  return packet(STATUS, text(JSON.stringify({ version: { name: '1.21', protocol }, description })))
}

/** A server that tells what it is called, and under which address a client came. */
export async function worldServer(port: number, name: string): Promise<void> {
  const server = net.createServer(socket => {
    let got = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', bytes => {
      got = Buffer.concat([got, bytes])
      const [handshake, request] = packets(got)
      if (handshake && request) socket.end(statusAnswer(name, handshake))
    })
  })
  await new Promise<void>(resolve => server.listen(port, '0.0.0.0', resolve))
}

/** Asks a server as the list of servers does; resolves with how it describes itself, or with the code of why it does not. */
export function askWorld(host: string, port: number): Promise<string> {
  return new Promise(resolve => {
    let got = Buffer.alloc(0)
    const socket = net.connect(port, host, () => socket.write(statusRequest(host, port)))
    socket.on('error', err => resolve('code' in err ? String(err.code) : err.message))
    socket.on('data', bytes => {
      got = Buffer.concat([got, bytes])
    })
    socket.on('end', () => {
      const [answer] = packets(got)
      if (!answer) return resolve('NO_ANSWER')
      const reader = new Reader(answer)
      reader.varint()
      resolve(JSON.parse(reader.text()).description.text)
    })
  })
}
