// A process of the bench of guests: many of them, each with a key of its own, told what to do by its parent.
import { once } from 'node:events'
import type { ClientHandle } from '../../src/client/handle.js'
import { HyperNat } from '../../src/hyper-nat.js'
import { encodeKey } from '../../src/identity/encoding.js'
import { type KeyPair, keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import type { Proto } from '../../src/proto.js'
import { pause, until, within } from '../../test/support/deadline.js'
import { newSecret } from '../../test/support/stage.js'
import { obey } from './driven.js'

/** Guests of one DHT node. */
const TOGETHER = 25
const WORD = 64
const SETTLE_MS = 1000
const JOIN_MS = 180_000
/** How long the echo of the last word may take. */
const REPLY_MS = 5000

/** What a parent asks for, and gets. */
export interface CrowdOrders {
  /** Makes so many guests. @returns their public keys, in base58 */
  make: [{ bootstrap: readonly string[]; count: number }, { publicKeys: string[] }]
  /** All join at once. @returns milliseconds until each has a session */
  join: [{ publicKey: string }, { ms: number[] }]
  /**
   * Each sends a word in each interval, after a random part of the first, so often.
   * @returns milliseconds until each echo, and how many words had none
   */
  echo: [{ proto: Proto; port: number; everyMs: number; count: number }, { ms: number[]; lost: number }]
  leave: [null, null]
}

interface One {
  readonly node: HyperNat
  readonly identity: KeyPair
  handle: ClientHandle | null
}

let nodes: HyperNat[] = []
let guests: One[] = []

obey<CrowdOrders>({
  async make({ bootstrap, count }) {
    const pairs = Array.from({ length: count }, newKeyPair)
    nodes = Array.from({ length: Math.ceil(count / TOGETHER) }, () => newNode(bootstrap))
    guests = pairs.map((identity, i) => ({ node: nodes[i % nodes.length]!, identity, handle: null }))
    // Each has to know the DHT before it is asked for more.
    const nobody = encodeKey(newKeyPair().publicKey)
    for (const node of nodes) await node.find(nobody)
    return { publicKeys: pairs.map(({ publicKey }) => encodeKey(publicKey)) }
  },
  async join({ publicKey }) {
    const from = performance.now()
    const ms = await Promise.all(
      guests.map(async guest => {
        const { node, identity } = guest
        const handle = await node.open({ publicKey, maps: [], identity })
        guest.handle = handle
        await until(JOIN_MS, 'a session', () => handle.connection !== null)
        return performance.now() - from
      })
    )
    return { ms }
  },
  async echo({ proto, port, everyMs, count }) {
    const ms: number[] = []
    const onecho = (took: number): void => void ms.push(took)
    // All of them at once take this process a while, which is not what is measured.
    const echoes = await Promise.all(guests.map(({ handle }) => openEcho(handle!, proto, port, onecho)))
    await pause(SETTLE_MS)
    await Promise.all(
      echoes.map(async echo => {
        await pause(Math.random() * everyMs)
        const from = performance.now()
        for (let i = 0; i < count; i++) {
          await pause(from + i * everyMs - performance.now())
          echo.send()
        }
        await echo.close()
      })
    )
    return { ms, lost: guests.length * count - ms.length }
  },
  async leave() {
    await Promise.all(nodes.map(node => node.close()))
    return null
  }
})

function newKeyPair(): KeyPair {
  return keyPairOf(new Secret(newSecret()))
}

function newNode(bootstrap: readonly string[]): HyperNat {
  return new HyperNat({ bootstrap, portMapping: false, lan: false })
}

interface Echo {
  send(): void
  /** Resolves when every word is back, or has been waited for long enough. */
  close(): Promise<void>
}

/** A flow to a program that says a byte at first over TCP, and then what it is told. */
async function openEcho(
  handle: ClientHandle,
  proto: Proto,
  port: number,
  onecho: (ms: number) => void
): Promise<Echo> {
  const sentAt: number[] = []
  let back = 0
  const done = () => until(REPLY_MS, 'echoes', () => back === sentAt.length).catch(() => {})
  const isBack = (index: number): void => {
    back++
    onecho(performance.now() - sentAt[index]!)
  }
  const word = (): Buffer => {
    const bytes = Buffer.alloc(WORD)
    bytes.writeUInt32BE(sentAt.push(performance.now()) - 1)
    return bytes
  }
  if (proto === 'udp') {
    const flow = handle.datagrams(port)
    flow.on('message', data => isBack(data.readUInt32BE()))
    return {
      send: () => flow.send(word()),
      close: async () => {
        await done()
        flow.close()
      }
    }
  }
  const stream = handle.stream(proto, port)
  // Words without an echo are counted.
  stream.on('error', () => {})
  await within(JOIN_MS, once(stream, 'data'), () => `the first byte over ${proto}`)
  let pending = 0
  stream.on('data', (data: Buffer) => {
    for (pending += data.length; pending >= WORD; pending -= WORD) isBack(back)
  })
  return {
    send: () => void stream.write(word()),
    close: async () => {
      await done()
      stream.destroy()
    }
  }
}
