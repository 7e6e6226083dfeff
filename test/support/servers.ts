import { createHash, randomInt } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'

/** A server of the kind that a user would share, on a free port. */
export interface TcpServer {
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: number
  readonly sockets: ReadonlySet<net.Socket>
  close(): Promise<void>
}

/** Listens on TCP; `onSocket` does the rest. Sockets stay open for writing after the other side's FIN. */
export async function listenTcp(
  onSocket: (socket: net.Socket) => void,
  options: { host?: string; port?: number; pauseOnConnect?: boolean } = {}
): Promise<TcpServer> {
  const { host = '127.0.0.1', port = 0, pauseOnConnect = false } = options
  const sockets = new Set<net.Socket>()
  let accepted = 0
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect }, socket => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    onSocket(socket)
  })
  // A thousand connections at once are no more than the tests make.
  server.listen({ port, host, backlog: 4096 })
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    get accepted() {
      return accepted
    },
    sockets,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}

/** Sends back what it gets, ends when the other side has ended. */
export function listenTcpEcho(options?: { host?: string; port?: number }): Promise<TcpServer> {
  return listenTcp(socket => socket.pipe(socket), options)
}

/** Reads to the other side's FIN, then answers with the SHA-256 of all that came: works only if half-close does. */
export function listenTcpHash(options?: { host?: string }): Promise<TcpServer> {
  return listenTcp(socket => {
    const hash = createHash('sha256')
    socket.on('data', data => hash.update(data))
    socket.on('end', () => socket.end(hash.digest('hex')))
  }, options)
}

export interface UdpServer {
  readonly port: number
  /** Datagrams as they came. */
  readonly got: { data: Buffer; from: dgram.RemoteInfo }[]
  readonly socket: dgram.Socket
  close(): Promise<void>
}

/** Binds UDP; `onDatagram` does the rest. */
export async function bindUdp(
  onDatagram: (data: Buffer, from: dgram.RemoteInfo, socket: dgram.Socket) => void,
  options: { host?: string; port?: number } = {}
): Promise<UdpServer> {
  const { host = '127.0.0.1', port = 0 } = options
  const got: UdpServer['got'] = []
  const socket = dgram.createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    // The largest datagram takes a third of the default buffer: tests send several at once.
    recvBufferSize: 4 << 20
  })
  socket.on('message', (data, from) => {
    got.push({ data, from })
    onDatagram(data, from, socket)
  })
  socket.bind(port, host)
  try {
    await once(socket, 'listening')
  } catch (err) {
    socket.close()
    throw err
  }
  return {
    port: socket.address().port,
    got,
    socket,
    async close() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    }
  }
}

/** Sends every datagram back to where it came from. */
export function bindUdpEcho(options?: { host?: string; port?: number }): Promise<UdpServer> {
  return bindUdp((data, from, socket) => socket.send(data, from.port, from.address), options)
}

/** A TCP and a UDP server on one port number, which a `tcp+udp` map needs. */
export async function onOnePort<T extends { close(): Promise<void> }, U extends { close(): Promise<void> }>(
  tcp: () => Promise<T & { port: number }>,
  udp: (port: number) => Promise<U>
): Promise<[T, U]> {
  for (let attempt = 1; ; attempt++) {
    let first: (T & { port: number }) | undefined
    try {
      first = await tcp()
      return [first, await udp(first.port)]
    } catch (err) {
      await first?.close()
      if (attempt === 20) throw err
    }
  }
}

/** Ports of no well-known program, below those that systems give to sockets that ask for any: nobody is given one before the test takes it. */
const PORTS = { from: 11_000, to: 15_000 }

/** A port number that was free a moment ago, for programs that cannot be given port 0. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const [tcp, udp] = await onOnePort(
    () => listenTcp(() => {}, { host, port: randomInt(PORTS.from, PORTS.to) }),
    port => bindUdp(() => {}, { host, port })
  )
  await Promise.all([tcp.close(), udp.close()])
  return tcp.port
}
