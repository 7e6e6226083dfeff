/** Finds out whether a program listens at a target, without saying anything that it would act on. */
import dgram from 'node:dgram'
import dns from 'node:dns/promises'
import net from 'node:net'
import { codeOf } from '../errors.js'
import type { TargetState } from '../events.js'
import type { Proto } from '../proto.js'
import { answersTcp } from './tcp.js'

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
  if (proto !== 'udp') return (await answersTcp(host, port, ms)) ? 'answers' : 'closed'
  return query ? probeUdp(host, port, query, ms) : 'unknown'
}

async function probeUdp(host: string, port: number, query: Uint8Array, ms: number): Promise<TargetState> {
  const address = net.isIP(host)
    ? host
    : (await dns.lookup(host, { order: 'ipv4first' }).catch(() => null))?.address
  if (address === undefined) return 'closed'
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<TargetState>(resolve => {
      // The system reports a closed port of this machine at once; elsewhere, a firewall may drop query, answer or report.
      const silent = address === '::1' || address.startsWith('127.') ? 'answers' : 'unknown'
      timer = setTimeout(resolve, ms, silent)
      socket.once('message', () => resolve('answers'))
      const fail = (err: unknown): void => resolve(codeOf(err) === 'ECONNREFUSED' ? 'closed' : 'unknown')
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
