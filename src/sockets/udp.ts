/** Local UDP sockets: one that hears all programs of a map, and one per flow towards a map's target. */
import dgram from 'node:dgram'
import dns from 'node:dns/promises'
import net from 'node:net'
import { codeOf } from '../errors.js'
import { SOCKET_BUFFER, UDP_RETRY_MS } from '../limits.js'
import { listenError } from './tcp.js'

/** Datagrams kept while a target's name is looked up. */
const MAX_WAITING = 64

/**
 * With these a connected socket fails once its own address has left this machine, and goes on to fail when another has come: it keeps
 * the address that it was connected with.
 */
const UNROUTED: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EINVAL'
])

/** Addresses are literal: the look-up that dgram makes for each send is not needed. */
const literal = ((host: string, _family: unknown, done: (err: null, host: string, family: number) => void) =>
  done(null, host, net.isIPv6(host) ? 6 : 4)) as unknown as dgram.SocketOptions['lookup']

/** A socket that hears all programs of a map. */
export interface UdpListener {
  readonly port: number
  /** @param onerror hears when this machine could not even send it */
  send(payload: Uint8Array, port: number, address: string, onerror?: () => void): void
  close(): Promise<void>
}

/**
 * Listens for datagrams.
 * @param port 0 for any free one
 * @param onmessage gets each payload with its sender; the buffer may be kept
 * @param beside whether a socket for all addresses shall be possible on the port (lan/ear.ts)
 * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED
 */
export async function listenUdp(
  host: string,
  port: number,
  onmessage: (payload: Uint8Array, from: dgram.RemoteInfo) => void,
  beside = false
): Promise<UdpListener> {
  // A socket that puts up with others does so with those of other programs on its very address.
  if (beside) await (await listenUdp(host, port, onmessage)).close()
  const socket = dgram.createSocket({
    type: net.isIPv6(host) ? 'udp6' : 'udp4',
    lookup: literal,
    reuseAddr: beside
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', err => reject(listenError(err, host, port, 'UDP')))
      // A name, such as localhost, is looked up here once.
      lookUp(host)
        .then(address => socket.bind({ address, port, exclusive: true }, resolve))
        .catch(err => reject(listenError(err, host, port, 'UDP')))
    })
  } catch (err) {
    socket.close()
    throw err
  }
  socket.removeAllListeners('error')
  // A program that went away, as Windows reports it: nothing to do.
  socket.on('error', () => {})
  growBuffers(socket)
  socket.on('message', onmessage)
  return {
    port: socket.address().port,
    send(payload, toPort, address, onerror) {
      // Who sends from no port wants no answer (RFC 768).
      if (toPort === 0) return
      if (onerror) socket.send(payload, toPort, address, err => err && onerror())
      else socket.send(payload, toPort, address)
    },
    close: () => new Promise(resolve => socket.close(() => resolve()))
  }
}

/** A socket of one flow towards the target. */
export interface UdpTarget {
  send(payload: Uint8Array): void
  close(): void
}

/**
 * A socket with a port of its own towards the target. One that could not be opened (no route, an unknown name), or has lost its route,
 * is opened anew for what is sent later.
 * @param onmessage gets the target's answers; the buffer may be kept
 * @param onerror hears of each failure (the target's port is closed, its name is unknown, ..)
 * @param from an IPv4 address of this machine to send from; where it is none, `onerror` hears of it, and the system chooses one
 */
export function dialUdp(
  host: string,
  port: number,
  onmessage: (payload: Uint8Array) => void,
  onerror: (err: unknown) => void,
  from?: string
): UdpTarget {
  let socket: dgram.Socket | null = null
  let waiting: Uint8Array[] | null = null
  let triedAt = Number.NEGATIVE_INFINITY
  let closed = false

  const failed = (err: Error): void => {
    onerror(err)
    if (!UNROUTED.has(codeOf(err))) return
    socket?.close()
    socket = null
  }
  // Without it, such a failure would go unheard.
  const sent = (err: Error | null): void => void (err && !closed && failed(err))

  const open = async (): Promise<void> => {
    triedAt = performance.now()
    try {
      const opened = await connectUdp(await lookUp(host), port, onmessage, onerror, from)
      if (closed) return void opened.close()
      opened.on('error', failed)
      socket = opened
      for (const payload of waiting ?? []) opened.send(payload, sent)
    } catch (err) {
      if (!closed) onerror(err)
    } finally {
      waiting = null
    }
  }

  return {
    send(payload) {
      if (closed) return
      if (socket) return socket.send(payload, sent)
      if (!waiting) {
        if (performance.now() - triedAt < UDP_RETRY_MS) return
        waiting = []
        void open()
      }
      if (waiting.length < MAX_WAITING) waiting.push(Buffer.from(payload))
    },
    close() {
      closed = true
      socket?.close()
      socket = null
    }
  }
}

/** A socket that is connected to the target. */
async function connectUdp(
  address: string,
  port: number,
  onmessage: (payload: Uint8Array) => void,
  onerror: (err: unknown) => void,
  from: string | undefined
): Promise<dgram.Socket> {
  const socket = dgram.createSocket({ type: net.isIPv6(address) ? 'udp6' : 'udp4', lookup: literal })
  socket.on('message', onmessage)
  // Binding fails with an event, connecting with an argument.
  const begun = (begin: (done: (err?: Error) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (err?: Error): void => {
        socket.off('error', done)
        if (err) reject(err)
        else resolve()
      }
      socket.on('error', done)
      begin(done)
    })
  try {
    if (from !== undefined && !net.isIPv6(address)) {
      await begun(done => socket.bind({ address: from, port: 0, exclusive: true }, () => done())).catch(
        onerror
      )
    }
    await begun(done => socket.connect(port, address, done))
    growBuffers(socket)
    return socket
  } catch (err) {
    socket.close()
    throw err
  }
}

async function lookUp(host: string): Promise<string> {
  if (net.isIP(host)) return host
  return (await dns.lookup(host, { order: 'ipv4first' })).address
}

function growBuffers(socket: dgram.Socket): void {
  for (const grow of [
    () => socket.setRecvBufferSize(SOCKET_BUFFER),
    () => socket.setSendBufferSize(SOCKET_BUFFER)
  ]) {
    try {
      grow()
    } catch (err) {
      // Some systems refuse what is above their limit instead of giving the most they have.
      if (codeOf(err) !== 'ERR_SOCKET_BUFFER_SIZE') throw err
    }
  }
}
