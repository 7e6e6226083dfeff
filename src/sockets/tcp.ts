/** Local TCP sockets, and Unix sockets and pipes in their place: listening for a map's programs, dialling a map's target, and joining either to a flow. */
import net from 'node:net'
import b4a from 'b4a'
import { codeOf, type ErrorCode } from '../errors.js'
import type { ByteFlow } from '../flows/byte-flow.js'
import { SOCKET_MODE, socketPath } from '../text/socket-path.js'
import { listenError } from '../util/listen-error.js'
import { addressOf, type HostResolver } from './host-resolver.js'
import { BACKLOG, listenOnPath } from './socket-file.js'
import type { SocketUsage } from './socket-usage.js'
import { reset, SocketWriter } from './socket-writer.js'

export { reset } from './socket-writer.js'

const NOTHING = new Uint8Array(0)

/** What is read from a socket at once at the most, bytes: as much as libuv would read. */
const READ_BYTES = 64 * 1024

/**
 * Many sockets share the room for what is read, and each may be the next one to be read: a read takes this share of what is free, and
 * so much at least, as the first one does, since a thousand sockets may be opened before any of them is read.
 */
const READ_SHARE = 1 / 256
const LEAST_READ_BYTES = 4 * 1024

/**
 * Where all dialled sockets read. Node's own way takes 64 kB for each read, however little has come, and a paused socket has one more
 * in its queue, which no budget counts.
 */
const readBuffer = b4a.allocUnsafeSlow(READ_BYTES)

/** A socket that listens for a map's programs. */
export interface Listener {
  readonly port: number
  close(): Promise<void>
}

/**
 * Listens for connections, half-open allowed.
 * @param host an address, or a socket with a path
 * @param port 0 for any free one; a socket with a path has none
 * @param mode permission bits of the socket file
 * @throws HyperNatError PORT_IN_USE, SOCKET_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED
 */
export async function listenTcp(
  host: string,
  port: number,
  onconnection: (socket: net.Socket) => void,
  mode = SOCKET_MODE
): Promise<Listener> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // Until it is joined to a flow, an error only closes it.
    socket.on('error', () => {})
    onconnection(socket)
  })
  const path = socketPath(host)
  if (path !== undefined) await listenOnPath(server, path, mode)
  else {
    await new Promise<void>((resolve, reject) => {
      const fail = (err: unknown): void => reject(listenError(err, 'TCP', port, host))
      server.once('error', fail)
      // A name, such as localhost, is looked up here once, as for UDP: the system may name ::1 first, which most programs do not try.
      addressOf(host)
        .then(address => server.listen({ host: address, port, exclusive: true, backlog: BACKLOG }, resolve))
        .catch(fail)
    })
  }
  // Out of file descriptors, say: the listener lives on, and tries again with the next connection.
  server.on('error', () => {})
  return {
    port: path === undefined ? (server.address() as net.AddressInfo).port : 0,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) reset(socket)
      })
  }
}

export interface DialOptions {
  /** An IPv4 address of this machine to connect from; the system chooses one if left out. */
  readonly from?: string | undefined
  /** Knows the addresses of the host; left out: the system is asked each time. */
  readonly resolver?: HostResolver
  /** Makes the buffers for what is read. */
  readonly alloc?: (size: number) => Uint8Array
  /** Bytes that are free for what is read; left out: any number. */
  readonly room?: () => number
}

/**
 * A connection to a map's target, which may still be under way: what is written meanwhile waits.
 * @param host an address, a name, or a socket with a path, which has no port
 */
export function dialTcp(
  host: string,
  port: number,
  { from, resolver, alloc = b4a.allocUnsafeSlow, room = () => Number.POSITIVE_INFINITY }: DialOptions = {}
): net.Socket {
  const path = socketPath(host)
  let first = true
  // As other sockets do, it emits `data`; a pause takes effect at once, without reading ahead.
  const onread = {
    // Asked for when the socket is made, and again after each read.
    buffer: () => {
      const most = first ? LEAST_READ_BYTES : Math.max(LEAST_READ_BYTES, room() * READ_SHARE)
      first = false
      return most < READ_BYTES ? readBuffer.subarray(0, most) : readBuffer
    },
    callback(size: number): boolean {
      const bytes = alloc(size)
      bytes.set(readBuffer.subarray(0, size))
      socket.emit('data', bytes)
      return !socket.isPaused()
    }
  }
  const source = from === undefined ? {} : { localAddress: from, family: 4 }
  const lookup = resolver && { lookup: lookupOf(resolver) }
  const to = path === undefined ? { host, port, ...source, ...lookup, noDelay: true } : { path }
  const socket = net.connect({ ...to, allowHalfOpen: true, onread })
  return socket
}

/** Looks a name up for `net.connect`, which tries all addresses unless it wants one family. */
function lookupOf(resolver: HostResolver): net.LookupFunction {
  return (_host, options, done) => {
    resolver.addresses().then(
      found => {
        const family = Number(options.family) || 0
        const all = found.map(address => ({ address, family: net.isIPv6(address) ? 6 : 4 }))
        const fit = family === 0 ? all : all.filter(one => one.family === family)
        const [first] = fit
        if (!first) done(Object.assign(new Error('The name has no such address.'), { code: 'ENOTFOUND' }), '')
        else if (options.all) done(null, fit)
        else done(null, first.address, first.family)
      },
      err => done(err, '')
    )
  }
}

const CLOSED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENOTFOUND',
  // There is no socket of this path.
  'ENOENT'
])

/** Whether an error says that nothing listens at a target; others, such as of a limit of this computer, say nothing of it. */
export function saysClosed(err: unknown): boolean {
  return CLOSED.has(codeOf(err))
}

/** Why a target could not be reached, as its flow's reset tells the other side. */
export function targetCode(
  err: unknown
): Extract<ErrorCode, 'TARGET_REFUSED' | 'TARGET_TIMEOUT' | 'TARGET_UNREACHABLE'> {
  switch (codeOf(err)) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return 'TARGET_REFUSED'
    case 'ETIMEDOUT':
      return 'TARGET_TIMEOUT'
    default:
      return 'TARGET_UNREACHABLE'
  }
}

/** What a write says when the other end has reset the connection. */
const RESET: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

/**
 * Keeps writes that fail because the other end has reset the connection from closing the socket before it was read: a program that
 * answers and closes without having read all that it was sent resets its connection, and its last words still wait in the system.
 * @returns a function that reports such a write, to be called when all is read; false if there was none
 */
function holdResets(socket: net.Socket): () => boolean {
  let report: (() => void) | null = null
  const hold = (done: (err?: Error | null) => void) => (err?: Error | null) => {
    if (!err || !RESET.has(codeOf(err)) || socket.readableEnded || socket.destroyed) done(err)
    else report = () => done(err)
  }
  const write = socket._write.bind(socket)
  socket._write = (chunk, encoding, done) => write(chunk, encoding, hold(done))
  const writev = socket._writev?.bind(socket)
  if (writev) socket._writev = (chunks, done) => writev(chunks, hold(done))
  return () => {
    report?.()
    return report !== null
  }
}

/**
 * Joins a socket and a flow: bytes both ways under backpressure, half-close as half-close, reset as reset.
 * @param onerror called with the error of the socket; returns the code for the other side
 * @param onreset called with the reason when the flow was reset
 * @param usage counts what waits for the socket
 * @param preface made once the socket is connected; goes before all that the flow brings
 */
export function joinTcp(
  socket: net.Socket,
  flow: ByteFlow,
  onerror: (err: Error) => ErrorCode,
  onreset: (code: ErrorCode) => void,
  preface?: () => Uint8Array,
  usage?: SocketUsage
): void {
  const writer = new SocketWriter(
    socket,
    size => {
      usage?.remove(size)
      flow.consumed(size)
    },
    preface
  )
  const reportReset = holdResets(socket)
  flow.events = {
    data: bytes => {
      usage?.add(bytes.byteLength)
      writer.write(bytes)
    },
    end: () => writer.end(),
    drain: () => socket.resume(),
    reset(code) {
      onreset(code)
      writer.reset()
    },
    close: () => writer.end()
  }
  socket.on('data', bytes => {
    if (!flow.write(bytes)) socket.pause()
  })
  socket.on('end', () => {
    if (reportReset()) return
    // libuv takes a reset that it finds behind bytes for an end. What was reset takes nothing any more, not even nothing; what waits
    // to be written finds that out by itself.
    if (socket.writable && socket.writableLength === 0)
      socket.write(NOTHING, err => codeOf(err) !== 'ECONNRESET' && flow.end())
    else flow.end()
  })
  socket.on('error', err => flow.reset(onerror(err)))
  // A socket that closes without having said an end, or an error, was destroyed.
  socket.on('close', () => {
    if (!socket.readableEnded || !socket.writableFinished) flow.reset('FLOW_RESET')
  })
  socket.resume()
}
