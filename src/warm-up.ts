/**
 * What V8 runs for the first time it interprets, at some twice the time: the first hundred connections of a daemon would have to
 * wait for that. So a daemon that stands goes the whole way itself, before anybody does: as server, guest, their programs and the
 * DHT between them, on loopback (docs/latency.md, "Warming up"). Only the program does this: a library leaves the
 * processor to its host.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import b4a from 'b4a'
import createTestnet from 'hyperdht/testnet.js'
import type { Daemon } from './daemon.js'
import type { DaemonEvent } from './events.js'
import { HyperNat } from './hyper-nat.js'
import { randomSecret } from './identity/keys.js'
import { WARM_UP, type WarmUpLimits } from './limits.js'
import type { Proto } from './options/entry.js'

const HOST = '127.0.0.1'
const PAYLOAD = b4a.alloc(100)

/** Whoever waits for a socket hears of its error too; one that comes when nobody waits is nobody's concern. */
const ignore = (): void => {}

type Ports = Record<Proto, number>
type Round = (port: number, signal: AbortSignal) => Promise<void>
/** What is to be closed in the end, the last first. */
type Closing = (() => unknown)[]

const rounds: Record<Proto, Round> = { tcp: tcpRound, tcpudp: tcpRound, udp: udpRound }

/** Warms up once the daemon stands: that is what its user waits for first. */
export function warmUpOnceStanding(daemon: Daemon): void {
  const { options, log } = daemon
  const protos = new Set(options.entries.map(({ proto }) => proto))
  const onEvent = (event: DaemonEvent): void => {
    if (!tellsStanding(event)) return
    daemon.off('event', onEvent)
    const from = performance.now()
    warmUp(protos).then(
      () => log.debug({ ms: Math.round(performance.now() - from) }, 'warmed up'),
      err => log.debug({ reason: String(err) }, 'not warmed up')
    )
  }
  daemon.on('event', onEvent)
}

/** A client is ready before it has dialled. */
function tellsStanding(event: DaemonEvent): boolean {
  if (event.event === 'ready') return event.mode === 'server'
  return event.event === 'connected' || event.event === 'waiting'
}

/**
 * Opens connections, and sends datagrams, through sessions of its own. Those of one session alone would have code compiled for that
 * very session: the next one would have it thrown away.
 * @param protos what to go through; nothing is done for none
 * @throws whatever keeps it from that, or that it takes too long; nothing is left open then
 */
export async function warmUp(protos: ReadonlySet<Proto>, limits: WarmUpLimits = WARM_UP): Promise<void> {
  if (protos.size === 0) return
  const signal = AbortSignal.timeout(limits.totalMs)
  const late = once(signal, 'abort').then(() => signal.throwIfAborted())
  // It may come when nobody waits any more.
  late.catch(ignore)
  const closing: Closing = []
  try {
    await Promise.race([goTheWay([...protos], limits, signal, closing), late])
  } finally {
    for (const close of closing.reverse()) await Promise.resolve().then(close).catch(ignore)
  }
}

async function goTheWay(
  protos: readonly Proto[],
  limits: WarmUpLimits,
  signal: AbortSignal,
  closing: Closing
): Promise<void> {
  const bootstrap = await startDht(limits.nodes, closing)
  const ports = await openTargets(closing)
  for (let i = 0; i < limits.sessions; i++) {
    await idle(limits, signal)
    const server = new HyperNat({ bootstrap, portMapping: false })
    const client = new HyperNat({ bootstrap, portMapping: false })
    const close = () => Promise.all([client.close(), server.close()])
    closing.push(close)
    await goThrough(server, client, protos, ports, limits, signal)
    await close()
  }
}

/** One session, and its rounds. */
async function goThrough(
  server: HyperNat,
  client: HyperNat,
  protos: readonly Proto[],
  ports: Ports,
  limits: WarmUpLimits,
  signal: AbortSignal
): Promise<void> {
  const shares = protos.map(proto => ({ proto, port: ports[proto], host: HOST }))
  const { publicKey } = await server.share({ secret: randomSecret(), maps: shares })
  const maps = protos.map(proto => ({ proto, port: ports[proto], localHost: HOST, localPort: 0 }))
  const opened = await client.open({ publicKey, maps })
  while ((await opened.ping()) === null) await sleep(limits.pauseMs, undefined, { signal })
  for (let i = 0; i < limits.rounds; i++) {
    await idle(limits, signal)
    for (const { proto, localPort } of opened.maps) await rounds[proto](localPort, signal)
  }
}

/** Resolves when nobody else keeps this process busy: who does runs the code as well, and is not to wait for us. */
async function idle({ pauseMs, busyShare }: WarmUpLimits, signal: AbortSignal): Promise<void> {
  let busy: number
  do {
    const before = performance.eventLoopUtilization()
    await sleep(pauseMs, undefined, { signal })
    busy = performance.eventLoopUtilization(before).utilization
  } while (busy > busyShare)
}

/** Gives where to find it. It is empty at first, so that it can be closed when its nodes never find each other. */
async function startDht(nodes: number, closing: Closing): Promise<string[]> {
  const dht = await createTestnet(0)
  closing.push(() => dht.destroy())
  for (let i = 0; i < nodes; i++) {
    const node = dht.createNode({ host: HOST, ephemeral: false, firewalled: false })
    await node.fullyBootstrapped()
    if (i === 0) dht.bootstrap.push({ host: HOST, port: node.address().port })
  }
  return dht.bootstrap.map(({ host, port }) => `${host}:${port}`)
}

/** A program on TCP that says something first and then gives back what it gets, and one on UDP that does the latter. */
async function openTargets(closing: Closing): Promise<Ports> {
  const tcp = net.createServer({ noDelay: true }, socket => {
    socket.on('error', ignore)
    socket.write(PAYLOAD)
    socket.pipe(socket)
  })
  tcp.on('error', ignore).listen({ host: HOST, port: 0 })
  await once(tcp, 'listening')
  closing.push(() => tcp.close())
  const udp = createSocket('udp4', (payload, from) => udp.send(payload, from.port, from.address))
  udp.on('error', ignore).bind(0, HOST)
  await once(udp, 'listening')
  closing.push(() => udp.close())
  const { port } = tcp.address() as net.AddressInfo
  return { tcp: port, tcpudp: port, udp: udp.address().port }
}

async function tcpRound(port: number, signal: AbortSignal): Promise<void> {
  const socket = net.connect({ host: HOST, port, noDelay: true }).on('error', ignore)
  try {
    await once(socket, 'data', { signal })
    socket.write(PAYLOAD)
    await once(socket, 'data', { signal })
    socket.end()
    await once(socket, 'close', { signal })
  } finally {
    socket.destroy()
  }
}

async function udpRound(port: number, signal: AbortSignal): Promise<void> {
  const socket = createSocket('udp4').on('error', ignore)
  try {
    // The first of a conversation, and one more.
    for (let i = 0; i < 2; i++) {
      socket.send(PAYLOAD, port, HOST)
      await once(socket, 'message', { signal })
    }
  } finally {
    socket.close()
  }
}
