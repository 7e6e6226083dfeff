/** Whether UDP gets through: DHT nodes are pinged from a socket of its own, past any relay. */
import dgram from 'node:dgram'
import net from 'node:net'
import { ipv4Number } from './ipv4.js'
import { sharedLookup } from './shared-lookup.js'

interface Address {
  readonly host: string
  readonly port: number
}

/** dht-rpc's request PING: u8 version and type, u8 flags (internal), u16 tid, address and port little-endian, u8 command. */
const REQUEST = 0x03
const ANSWER = 0x13
const INTERNAL = 0b100
const PING = 0

/** Between two pings of one node, ms. */
const REPEAT_MS = 400

/**
 * Pings nodes until one answers.
 * @param nodes `address@name` stands for either
 * @param ms how long to wait
 * @returns false when none has answered in time, or when all were refused before
 */
export async function isUdpAnswered(
  nodes: readonly Address[],
  ms: number,
  signal: AbortSignal
): Promise<boolean> {
  if (nodes.length === 0) return false
  // Ends the probes of the others when one has answered.
  const over = new AbortController()
  const end = AbortSignal.any([signal, AbortSignal.timeout(ms), over.signal])
  // A name may take longer to be looked up than there is time.
  const late = new Promise<boolean>(resolve => end.addEventListener('abort', () => resolve(false)))
  const answered = Promise.any(
    nodes.map(async node => {
      if (!(await probe(node, end))) throw new Error('no answer')
      return true
    })
  ).catch(() => false)
  try {
    return !end.aborted && (await Promise.race([answered, late]))
  } finally {
    over.abort()
  }
}

async function probe({ host, port }: Address, signal: AbortSignal): Promise<boolean> {
  const address = await addressOf(host)
  if (address === null || signal.aborted) return false
  const socket = dgram.createSocket('udp4')
  const tid = Math.floor(Math.random() * 65_536)
  const request = Buffer.alloc(11)
  request[0] = REQUEST
  request[1] = INTERNAL
  request.writeUInt16LE(tid, 2)
  request.writeUInt32BE(ipv4Number(address), 4)
  request.writeUInt16LE(port, 8)
  request[10] = PING
  return new Promise(resolve => {
    const send = (): void => socket.send(request, noop)
    let timer: NodeJS.Timeout | undefined
    let ended = false
    const done = (answered: boolean): void => {
      if (ended) return
      ended = true
      clearInterval(timer)
      signal.removeEventListener('abort', onabort)
      socket.close()
      resolve(answered)
    }
    const onabort = (): void => done(false)
    signal.addEventListener('abort', onabort)
    // A firewall's refusal, or there is no way out of this machine.
    socket.on('error', () => done(false))
    socket.on('message', packet => {
      if (packet.byteLength >= 4 && packet[0] === ANSWER && packet.readUInt16LE(2) === tid) done(true)
    })
    const connected = (err?: Error): void => {
      if (err) return done(false)
      if (ended) return
      send()
      timer = setInterval(send, REPEAT_MS)
    }
    // A failure, such as no route, goes to the callback alone; the types omit that.
    socket.connect(port, address, connected as () => void)
  })
}

function addressOf(node: string): Promise<string | null> {
  const host = node.split('@')[0]!
  if (net.isIPv4(host)) return Promise.resolve(host)
  return new Promise(resolve => {
    sharedLookup(host, { family: 4 }, (err, address) => resolve(err ? null : (address as string)))
  })
}

function noop(): void {}
