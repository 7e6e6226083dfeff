/** Finds out whether a program listens at a target, without saying anything that it would act on. */
import dgram from 'node:dgram'
import net from 'node:net'
import type { TargetState } from '../events.js'
import type { Proto } from '../proto.js'
import { addressOf } from './host-resolver.js'
import { dialTcp, saysClosed } from './tcp.js'

export interface ProbedTarget {
  readonly proto: Proto
  readonly host: string
  readonly port: number
  /** A datagram that asks for an answer, for UDP. */
  readonly query?: Uint8Array | undefined
}

/** @param ms time to answer */
export async function probeTarget(target: ProbedTarget, ms: number): Promise<TargetState> {
  const { proto, host, port, query } = target
  if (proto !== 'udp') return probeTcp(host, port, ms)
  return query ? probeUdp(host, port, query, ms) : 'unknown'
}

/** Connects, and hangs up at once. */
function probeTcp(host: string, port: number, ms: number): Promise<TargetState> {
  const socket = dialTcp(host, port).unref()
  return new Promise(resolve => {
    socket.setTimeout(ms, () => socket.destroy())
    socket.once('connect', () => {
      resolve('answers')
      socket.destroy()
    })
    socket.once('error', err => resolve(saysClosed(err) ? 'closed' : 'unknown'))
    // Nothing answers in time.
    socket.once('close', () => resolve('closed'))
  })
}

async function probeUdp(host: string, port: number, query: Uint8Array, ms: number): Promise<TargetState> {
  let address: string
  try {
    address = await addressOf(host)
  } catch (err) {
    return saysClosed(err) ? 'closed' : 'unknown'
  }
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<TargetState>(resolve => {
      // The system reports a closed port of this machine at once; elsewhere, a firewall may drop query, answer or report.
      const silent = address === '::1' || address.startsWith('127.') ? 'answers' : 'unknown'
      timer = setTimeout(resolve, ms, silent)
      socket.once('message', () => resolve('answers'))
      const fail = (err: unknown): void => resolve(saysClosed(err) ? 'closed' : 'unknown')
      socket.once('error', fail)
      const connected = (err?: Error): void => {
        if (err) fail(err)
        else socket.send(query, err => err && fail(err))
      }
      // The types leave out that a failure, such as for a broadcast address, is given to the callback.
      socket.connect(port, address, connected as () => void)
    })
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}
