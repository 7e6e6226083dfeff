/** A WebSocket whose bytes are up to the test: frames that no library sends. */
import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'node:test'
import { LOOPBACK } from './tcp-relay.js'

export const OPCODE = { more: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9 } as const

/** A frame of a client, with a mask of zeros. @param first flags beside the opcode: 0x80 the last of its message, 0x40 compressed */
export function frameOf(opcode: number, payload: Uint8Array, first = 0x80): Buffer {
  return Buffer.concat([frameHead(opcode, payload.byteLength, first), payload])
}

/** The same without its payload. */
export function frameHead(opcode: number, bytes: number, first = 0x80): Buffer {
  const mask = Buffer.alloc(4)
  if (bytes < 126) return Buffer.concat([Buffer.of(first | opcode, 0x80 | bytes), mask])
  const size = Buffer.alloc(8)
  if (bytes < 65_536) {
    size.writeUInt16BE(bytes)
    return Buffer.concat([Buffer.of(first | opcode, 0x80 | 126), size.subarray(0, 2), mask])
  }
  size.writeBigUInt64BE(BigInt(bytes))
  return Buffer.concat([Buffer.of(first | opcode, 0x80 | 127), size, mask])
}

export class RawWebSocket {
  /** The head of the server's answer. */
  head = ''
  /** What the server has closed with; null while it is open. */
  code: number | null = null
  ended = false

  private constructor(readonly socket: net.Socket) {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.ended = true
    })
  }

  /** @param headers lines that the request has as well */
  static async open(t: TestContext, port: number, headers: readonly string[] = []): Promise<RawWebSocket> {
    const socket = net.connect(port, LOOPBACK)
    t.after(() => socket.destroy())
    const raw = new RawWebSocket(socket)
    await once(socket, 'connect')
    const key = Buffer.alloc(16, 1).toString('base64')
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    const lines = [
      'GET / HTTP/1.1',
      'Host: relay',
      ...upgrade,
      `Sec-WebSocket-Key: ${key}`,
      ...headers,
      '',
      ''
    ]
    socket.write(lines.join('\r\n'))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    const end = answer.indexOf('\r\n\r\n') + 4
    raw.head = answer.subarray(0, end).toString()
    const onData = (data: Buffer): void => {
      // A close frame is the last, and nothing else that these tests provoke looks like it.
      const at = data.lastIndexOf(Buffer.of(0x80 | OPCODE.close))
      if (at >= 0 && at + 4 <= data.byteLength) raw.code = data.readUInt16BE(at + 2)
    }
    onData(answer.subarray(end))
    socket.on('data', onData)
    return raw
  }

  send(...parts: Uint8Array[]): void {
    if (!this.ended) this.socket.write(Buffer.concat(parts))
  }
}
