import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { within } from './deadline.js'

/** Connects; half-open is allowed, as a program that calls shutdown(2) has it. */
export async function connectTcp(port: number, host = '127.0.0.1', ms = 10_000): Promise<net.Socket> {
  const socket = net.connect({ port, host, allowHalfOpen: true })
  socket.on('error', () => {})
  await within(ms, once(socket, 'connect'), () => `a connection to ${host}:${port}`)
  return socket
}

/** All that comes until the other side's FIN. Rejects when the connection is reset. */
export async function readAll(socket: net.Socket, ms = 30_000): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (data: Buffer) => {
      parts.push(data)
      length += data.length
    })
    socket.once('end', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without a FIN')))
  })
  await within(ms, ended, () => `the end of what ${socket.remotePort} sends, ${length} bytes so far`)
  return Buffer.concat(parts)
}

/** The next `length` bytes (or more, when they come together). */
export async function readSome(socket: net.Socket, length: number, ms = 10_000): Promise<Buffer> {
  const parts: Buffer[] = []
  let got = 0
  let onData: (data: Buffer) => void = () => {}
  let onClose: () => void = () => {}
  const enough = new Promise<void>((resolve, reject) => {
    onData = data => {
      parts.push(data)
      got += data.length
      if (got >= length) resolve()
    }
    onClose = () => reject(new Error(`closed after ${got} of ${length} bytes`))
    socket.on('data', onData)
    socket.once('close', onClose)
  })
  try {
    await within(ms, enough, () => `${length} bytes, ${got} so far`)
  } finally {
    socket.off('data', onData)
    socket.off('close', onClose)
  }
  return Buffer.concat(parts)
}

/** How a connection ended, as its program sees it. */
export type TcpEnd = 'fin' | 'reset' | 'other'

/** Waits for the end of a connection; reads and drops what comes before. */
export async function tcpEnd(socket: net.Socket, ms = 10_000): Promise<TcpEnd> {
  socket.resume()
  const end = new Promise<TcpEnd>(resolve => {
    socket.once('end', () => resolve('fin'))
    socket.once('error', (err: NodeJS.ErrnoException) =>
      resolve(err.code === 'ECONNRESET' ? 'reset' : 'other')
    )
    socket.once('close', () => resolve('other'))
  })
  return within(ms, end, () => 'the end of a connection')
}

/** A local UDP program: one socket, one source port. */
export class UdpClient {
  readonly got: Buffer[] = []
  readonly socket: dgram.Socket
  #waiting = new Set<() => void>()

  private constructor(
    readonly port: number,
    readonly host: string
  ) {
    const type = host.includes(':') ? 'udp6' : 'udp4'
    this.socket = dgram.createSocket({ type, recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 })
    this.socket.on('error', () => {})
    this.socket.on('message', data => {
      this.got.push(data)
      for (const waiting of [...this.#waiting]) waiting()
    })
  }

  /** Connected to its one partner, so that datagrams from anyone else are not taken for replies. */
  static async open(port: number, host = '127.0.0.1', localPort = 0): Promise<UdpClient> {
    const client = new UdpClient(port, host)
    client.socket.bind(localPort, host.includes(':') ? '::1' : '127.0.0.1')
    await once(client.socket, 'listening')
    client.socket.connect(port, host)
    await once(client.socket, 'connect')
    return client
  }

  get localPort(): number {
    return this.socket.address().port
  }

  send(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(data, err => (err ? reject(err) : resolve()))
    })
  }

  /** Resolves when a datagram that fits has come. */
  async receive(fits: (data: Buffer) => boolean, ms = 10_000, what = 'a datagram'): Promise<Buffer> {
    let check: () => void = () => {}
    const wanted = new Promise<Buffer>(resolve => {
      check = () => {
        const found = this.got.find(fits)
        if (found) resolve(found)
      }
      this.#waiting.add(check)
      check()
    })
    try {
      return await within(ms, wanted, () => `${what}; got ${this.got.length} others`)
    } finally {
      this.#waiting.delete(check)
    }
  }

  /**
   * Sends again and again until the same comes back: UDP may lose a datagram on the way, also on loopback, and a test of
   * something else should not fail for it.
   */
  async echo(data: Uint8Array, ms = 10_000): Promise<void> {
    let failed: Error | undefined
    const again = setInterval(() => this.send(data).catch(err => (failed = err)), 500)
    try {
      await this.send(data)
      await this.receive(got => got.equals(data), ms, `an echo of ${data.length} bytes`)
    } catch (err) {
      throw failed ?? err
    } finally {
      clearInterval(again)
    }
  }

  async close(): Promise<void> {
    const closed = once(this.socket, 'close')
    this.socket.close()
    await closed
  }
}
