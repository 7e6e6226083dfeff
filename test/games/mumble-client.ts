/**
 * A client of Mumble inside a namespace, as far as its protocol matters: logs in over TLS, talks in text, and asks over UDP who is there.
 *
 *     mumble-client.js PORT NAME
 *
 * Tells `in SESSION` once it is logged in, `text TEXT` for each text, `users NUMBER` for the answer over UDP, which it asks for
 * until there is one. Lines of stdin are said to all who are in the same channel. Runs until it is stopped.
 * Source: https://mumble-protocol.readthedocs.io
 */
import dgram from 'node:dgram'
import { createInterface } from 'node:readline'
import tls from 'node:tls'

const [port, name] = [Number(process.argv[2]), process.argv[3] ?? '']
const HOST = '127.0.0.1'

/** Types of messages. */
const VERSION = 0
const AUTHENTICATE = 2
const SERVER_SYNC = 5
const TEXT = 11

/** Protocol Buffers: the kinds of fields that are used here. */
const VARINT = 0
const BYTES = 2

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function numberField(field: number, value: number): Buffer {
  return Buffer.concat([varint((field << 3) | VARINT), varint(value)])
}

function textField(field: number, value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([varint((field << 3) | BYTES), varint(bytes.length), bytes])
}

/** The fields of a message whose numbers are small, as all are here. */
function fieldsOf(message: Buffer): Map<number, number | Buffer> {
  const found = new Map<number, number | Buffer>()
  let at = 0
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const key = number()
    const value = number()
    if ((key & 7) === VARINT) found.set(key >>> 3, value)
    else {
      found.set(key >>> 3, message.subarray(at, at + value))
      at += value
    }
  }
  return found
}

/** Servers make a certificate for themselves. */
const socket = tls.connect({ host: HOST, port, rejectUnauthorized: false })

function send(type: number, ...fields: Buffer[]): void {
  const message = Buffer.concat(fields)
  const head = Buffer.alloc(6)
  head.writeUInt16BE(type)
  head.writeUInt32BE(message.length, 2)
  socket.write(Buffer.concat([head, message]))
}

socket.on('secureConnect', () => {
  send(VERSION, numberField(1, (1 << 16) | (3 << 8) | 4))
  send(AUTHENTICATE, textField(1, name))
})

let rest = Buffer.alloc(0)
socket.on('data', data => {
  rest = Buffer.concat([rest, data])
  while (rest.length >= 6 && rest.length >= 6 + rest.readUInt32BE(2)) {
    const end = 6 + rest.readUInt32BE(2)
    const [type, message] = [rest.readUInt16BE(), rest.subarray(6, end)]
    rest = rest.subarray(end)
    if (type === SERVER_SYNC) console.log(`in ${fieldsOf(message).get(1)}`)
    if (type === TEXT) console.log(`text ${fieldsOf(message).get(5)}`)
  }
})

// Channel 0 is the one that everybody comes into.
createInterface(process.stdin).on('line', line => send(TEXT, numberField(3, 0), textField(5, line)))

const ASK_MS = 500
const udp = dgram.createSocket('udp4')
/** Four bytes of zero, eight to know the answer by. */
const ask = Buffer.concat([Buffer.alloc(4), Buffer.from(`ask-${name}`.padEnd(8).slice(0, 8))])
const asking = setInterval(() => udp.send(ask, port, HOST), ASK_MS)
udp.on('message', answer => {
  if (answer.length !== 24 || !answer.subarray(4, 12).equals(ask.subarray(4))) return
  const users = answer.readUInt32BE(12)
  console.log(`users ${users}`)
  // Whoever comes last sees all.
  if (users === 2) clearInterval(asking)
})
