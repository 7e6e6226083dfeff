/** Local UDP sockets: one that receives from all programs of a map. */
import dgram from 'node:dgram'
import net from 'node:net'
import { codeOf } from '../errors.js'
import { SOCKET_BUFFER } from '../limits.js'
import { socketsOfNetwork } from '../programs/linux.js'
import { isIPv4Loopback, LOCALHOST } from '../text/address.js'
import { listenError } from '../util/listen-error.js'
import { addressOf } from './host-resolver.js'

/** Takes addresses as they are: the look-up that dgram makes for each send is not needed. */
export const literalLookup = ((
  host: string,
  _family: unknown,
  done: (err: null, host: string, family: number) => void
) => done(null, host, net.isIPv6(host) ? 6 : 4)) as unknown as dgram.SocketOptions['lookup']

/** The socket of a map, which receives from all local programs. */
export interface UdpListener {
  readonly port: number
  /** @param onerror called when this machine could not send it */
  send(payload: Uint8Array, port: number, address: string, onerror?: () => void): void
  close(): Promise<void>
}

/**
 * Listens for datagrams.
 * @param port 0 for any free one
 * @param onmessage gets each payload with its sender; the buffer may be kept
 * @param reusable whether another socket may be bound to all addresses on the port (lan/lan-listener.ts)
 * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED
 */
export async function listenUdp(
  host: string,
  port: number,
  onmessage: (payload: Uint8Array, from: dgram.RemoteInfo) => void,
  reusable = false
): Promise<UdpListener> {
  let socket: dgram.Socket
  try {
    // A socket that shares its port also shares it with programs at the very same address: first it is opened without sharing.
    socket = await bind(host, port, false)
    if (reusable) {
      await closed(socket)
      socket = await bind(host, port, true)
    }
  } catch (err) {
    if (codeOf(err) !== 'PORT_IN_USE' || !(await isLeft(host, port))) throw err
    socket = await bind(host, port, true)
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
    close: () => closed(socket)
  }
}

async function bind(host: string, port: number, reuseAddr: boolean): Promise<dgram.Socket> {
  const type = net.isIPv6(host) ? 'udp6' : 'udp4'
  const socket = dgram.createSocket({ type, lookup: literalLookup, reuseAddr })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', err => reject(listenError(err, 'UDP', port, host)))
      // A name, such as localhost, is looked up here once.
      addressOf(host)
        .then(address => socket.bind({ address, port, exclusive: true }, resolve))
        .catch(err => reject(listenError(err, 'UDP', port, host)))
    })
  } catch (err) {
    socket.close()
    throw err
  }
  return socket
}

function closed(socket: dgram.Socket): Promise<void> {
  return new Promise(resolve => socket.close(() => resolve()))
}

/**
 * Whether a port that is in use on all addresses can be shared at another loopback address: programs that receive what games send to
 * the LAN allow that. At 127.0.0.1 it would be taken from a game.
 */
async function isLeft(host: string, port: number): Promise<boolean> {
  if (!isIPv4Loopback(host) || net.isIP(host) === 0 || host === LOCALHOST) return false
  const sockets = process.platform === 'linux' ? await socketsOfNetwork('self') : []
  return (
    sockets.length > 0 &&
    !sockets.some(one => one.proto === 'udp' && one.port === port && one.address === host)
  )
}

/** Asks the system for room for a burst. */
export function growBuffers(socket: dgram.Socket): void {
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
