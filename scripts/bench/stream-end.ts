// A process of the bench of streams, told what to do by its parent, one thing at a time:
//   host     shares one TCP port: `target` is the port of a program, or null where this process answers itself
//   guest    connects to it, with streams of this process, or with a local port
//   target   a program that answers on a port
//   driver   a program that uses a local port
import { once } from 'node:events'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { HyperNat } from '../../src/hyper-nat.js'
import { pause, within } from '../../test/support/deadline.js'
import { obey } from './driven.js'

/** The port that is shared. */
const PORT = 80

const CHUNK = Buffer.alloc(64 * 1024, 'x')
/** The first byte of a stream: it brings bytes, or wants them. */
const TAKE = 'T'
const GIVE = 'G'
const PAUSE_MS = 5
const DEADLINE_MS = 60_000

/** What a parent asks for, and gets. */
export interface Orders {
  host: [{ bootstrap: readonly string[]; target: number | null }, { publicKey: string }]
  guest: [{ bootstrap: readonly string[]; publicKey: string; byStream: boolean }, { port: number }]
  target: [null, { port: number }]
  driver: [{ port: number }, null]
  /** Bytes a second, towards the host or the guest, for so long. */
  transfer: [{ toHost: boolean; ms: number }, { bytes: number; ms: number }]
  /** Milliseconds from opening to the first byte, so often. */
  first: [{ count: number }, number[]]
  /** Opens and closes so many, one after the other. */
  churn: [{ count: number }, null]
  cpu: [null, { seconds: number }]
  heap: [null, { bytes: number }]
}

let open: () => Duplex = () => {
  throw new Error('there is nothing to open yet')
}

const actions: { [K in keyof Orders]: (order: Orders[K][0]) => Promise<Orders[K][1]> } = {
  async host({ bootstrap, target }) {
    const node = new HyperNat({ bootstrap, portMapping: false, lan: false })
    const map = { proto: 'tcp', port: target ?? PORT } as const
    const { publicKey } = await node.share({
      secret: 'a secret of the bench, which nobody else has to know',
      maps: [target === null ? { ...map, onconnection: answer } : map]
    })
    return { publicKey }
  },
  async guest({ bootstrap, publicKey, byStream }) {
    const node = new HyperNat({ bootstrap, portMapping: false, lan: false })
    const connection = await node.connect(publicKey)
    const { port } = connection.maps[0]!
    open = () => connection.stream(port)
    if (byStream) return { port: 0 }
    await connection.close()
    const handle = await node.open({ publicKey, maps: [{ proto: 'tcp', port, localPort: 0 }] })
    while (!handle.connection) await pause(20)
    return { port: handle.maps[0]!.localPort }
  },
  async target() {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, answer).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: (server.address() as net.AddressInfo).port }
  },
  async driver({ port }) {
    open = () => net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    return null
  },
  async transfer({ toHost, ms }) {
    const stream = open()
    stream.write(toHost ? TAKE : GIVE)
    const from = performance.now()
    if (!toHost) {
      let bytes = 0
      stream.on('data', (data: Buffer) => {
        bytes += data.length
      })
      await pause(ms)
      const took = performance.now() - from
      stream.on('error', () => {})
      stream.destroy()
      return { bytes, ms: took }
    }
    const flooding = flood(stream, () => performance.now() - from < ms)
    let said = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      said += text
    })
    await flooding
    stream.end()
    await within(DEADLINE_MS, once(stream, 'end'), () => 'the count of what arrived')
    return { bytes: Number(said.slice(1)), ms: performance.now() - from }
  },
  async first({ count }) {
    const samples: number[] = []
    for (let i = 0; i < count; i++) {
      const from = performance.now()
      const stream = open()
      await once(stream, 'data')
      samples.push(performance.now() - from)
      await finish(stream)
      await pause(PAUSE_MS)
    }
    return samples
  },
  async churn({ count }) {
    for (let i = 0; i < count; i++) {
      const stream = open()
      stream.write('E')
      await finish(stream)
    }
    return null
  },
  async cpu() {
    const { user, system } = process.cpuUsage()
    return { seconds: (user + system) / 1e6 }
  },
  async heap() {
    // What is let go of late, such as by the last timers, is no leak.
    for (let i = 0; i < 5; i++) {
      await pause(200)
      globalThis.gc?.()
    }
    const { heapUsed, external } = process.memoryUsage()
    return { bytes: heapUsed + external }
  }
}

obey<Orders>(actions)

/** A byte at once; then what the first byte of the other side says. */
function answer(stream: Duplex): void {
  stream.on('error', () => {})
  stream.write('!')
  let bytes = -1
  stream.once('data', (first: Buffer) => {
    if (String(first.subarray(0, 1)) === GIVE) return void flood(stream, () => true)
    if (String(first.subarray(0, 1)) !== TAKE) return
    bytes = first.length
    stream.on('data', data => {
      bytes += data.length
    })
  })
  stream.once('end', () => stream.end(bytes < 0 ? undefined : `${bytes}`))
}

/** Writes as much as is taken, while it is wanted. */
function flood(stream: Duplex, goesOn: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const write = (): void => {
      while (!stream.destroyed && goesOn()) if (!stream.write(CHUNK)) return
      resolve()
    }
    stream.on('drain', write)
    stream.once('close', resolve)
    write()
  })
}

/** Ends a stream, and waits until it is gone. */
async function finish(stream: Duplex): Promise<void> {
  const closed = once(stream, 'close')
  stream.resume()
  stream.end()
  await within(DEADLINE_MS, closed, () => 'the end of a stream')
}
