/** Finds out, when no DHT node answers, whether the machines of those nodes are reachable at all, and by which protocol. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { codeOf } from '../errors.js'

/**
 * - `blocked`: the machine answers to TCP and UDP vanishes: a firewall drops it
 * - `refused`: UDP is rejected, by the machine because no node runs there, or by a firewall
 * - `offline`: no way leads out of this machine
 * - `silent`: nothing comes back at all
 */
export type Contact = 'blocked' | 'refused' | 'offline' | 'silent'

/** The result of one probe; `none`: no answer. */
type Answer = 'answer' | 'refused' | 'unreachable' | 'none'

const UNREACHABLE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'])
/** ECONNRESET is how Windows says that a port is closed. */
const REFUSED = new Set(['ECONNREFUSED', 'ECONNRESET'])

/**
 * Asks the machines where DHT nodes should be, whether those run or not.
 * @param ms how long one of them may take
 */
export async function contactOf(
  nodes: readonly { host: string; port: number }[],
  ms: number
): Promise<Contact> {
  const answers = await Promise.all(
    nodes.map(async ({ host, port }) => {
      const [tcp, udp] = await Promise.all([tryTcp(host, port, ms), tryUdp(host, port, ms)])
      return { tcp, udp }
    })
  )
  // A closed port answers to TCP as well: packets come and go.
  const reached = answers.filter(({ tcp }) => tcp === 'answer' || tcp === 'refused')
  if (reached.some(({ udp }) => udp === 'none')) return 'blocked'
  if (answers.some(({ udp }) => udp === 'refused')) return 'refused'
  const offline = answers.every(({ tcp, udp }) => tcp === 'unreachable' && udp === 'unreachable')
  return answers.length > 0 && offline ? 'offline' : 'silent'
}

function judge(err: unknown): Answer {
  const code = codeOf(err)
  return REFUSED.has(code) ? 'refused' : UNREACHABLE.has(code) ? 'unreachable' : 'none'
}

async function tryTcp(host: string, port: number, ms: number): Promise<Answer> {
  const socket = net.connect({ host, port, family: 4 })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ms) })
    return 'answer'
  } catch (err) {
    return judge(err)
  } finally {
    socket.destroy()
  }
}

async function tryUdp(host: string, port: number, ms: number): Promise<Answer> {
  const socket = dgram.createSocket('udp4')
  const signal = AbortSignal.timeout(ms)
  try {
    socket.connect(port, host)
    await once(socket, 'connect', { signal })
    // Too short for anything that a node would answer: only a refusal tells.
    socket.send(Buffer.of(0))
    await once(socket, 'message', { signal })
    return 'answer'
  } catch (err) {
    return judge(err)
  } finally {
    socket.close()
  }
}
