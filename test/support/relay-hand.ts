/** A client of a relay by TCP that a test speaks for, and packets for it to send. */
import type { TestContext } from 'node:test'
import UDX from 'udx-native'
import WebSocket from 'ws'
import * as frames from '../../src/network/tcp-relay/frames.js'
import { ipv4Number, ipv4Text } from '../../src/network/tcp-relay/ipv4.js'
import * as deadline from './deadline.js'
import { Random } from './random.js'
import { LOOPBACK } from './tcp-relay.js'

const until = (holds: () => boolean, what: string) => deadline.until(10_000, what, holds)

/** A client in our hands: what it says is up to the test. */
export class Hand {
  readonly heard: string[] = []
  closed: number | null = null
  /** The name of its session. */
  session: Buffer | null = null
  readonly ports = new Map<number, number>()
  readonly packets: { host: string; port: number; packet: Buffer }[] = []

  private constructor(readonly ws: WebSocket) {
    ws.on('error', () => {})
    ws.on('close', code => {
      this.closed = code
    })
    ws.on('unexpected-response', (_, { statusCode }) => {
      this.closed = statusCode ?? 0
    })
    ws.on('message', (data: Buffer) =>
      frames.readMessage(data, {
        welcome: ({ kind, session, resumed }) => {
          this.session = session
          this.heard.push(`welcome ${kind}${resumed ? ' resumed' : ''}`)
        },
        bound: (socket, port) => {
          this.ports.set(socket, port)
          this.heard.push(`bound ${socket} ${port > 0 ? 'yes' : 'no'}`)
        },
        packet: (_, host, port, packet) =>
          this.packets.push({ host: ipv4Text(host), port, packet: Buffer.from(packet) }),
        received: () => {}
      })
    )
  }

  static async open(
    t: TestContext,
    { port }: { port: number },
    {
      token = '',
      headers = {},
      greet = true,
      session = null
    }: { token?: string; headers?: Record<string, string>; greet?: boolean; session?: Buffer | null } = {}
  ): Promise<Hand> {
    const hand = new Hand(new WebSocket(`ws://${LOOPBACK}:${port}/`, { headers }))
    t.after(() => hand.ws.terminate())
    await until(() => hand.ws.readyState === WebSocket.OPEN || hand.closed !== null, 'open or refused')
    if (greet && hand.closed === null) {
      hand.say(frames.hello({ lowest: 1, highest: 1, session, token }))
      await until(() => hand.heard.length > 0 || hand.closed !== null, 'welcomed or closed')
    }
    return hand
  }

  say(...parts: Buffer[]): void {
    this.ws.send(Buffer.concat(parts))
  }
}

/** A UDP port that keeps what it receives. */
export async function receiver(t: TestContext): Promise<{ port: number; packets: Buffer[] }> {
  const socket = new UDX().createSocket()
  const packets: Buffer[] = []
  socket.on('message', (packet: Buffer) => packets.push(Buffer.from(packet)))
  socket.bind(0, LOOPBACK)
  t.after(() => socket.close())
  return { port: socket.address()!.port, packets }
}

export function udxPacket(size = 40): Buffer {
  const packet = new Random().bytes(size)
  packet.set([0xff, 1])
  return packet
}

export function dhtPacket(port: number): Buffer {
  const packet = Buffer.alloc(12)
  packet[0] = 0x03
  packet.writeUInt32BE(ipv4Number(LOOPBACK), 4)
  packet.writeUInt16LE(port, 8)
  return packet
}
