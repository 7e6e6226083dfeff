// A guest who means harm: knows the public key, and floods the server with one kind of thing, as fast as it can. Run as a
// program of its own: node hostile.js KIND PUBLIC_KEY BOOTSTRAP MS. Says {"up":true} when it is ready, floods between the lines
// "on" and "off" of its stdin, for so many milliseconds in all, and says at each "off" how many rounds that was and what it sent.
import { once } from 'node:events'
import os from 'node:os'
import { createInterface } from 'node:readline'
import HyperDHT from 'hyperdht'
import { Sealer } from '../../src/datagrams/seal.js'
import { childPublicKey } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { SEAL_BYTES } from '../../src/wire/constants.js'
import { openFrame, resetFrame } from '../../src/wire/frames.js'
import { Packer } from '../../src/wire/records.js'
import { firstMessage, sendHandshake, targetOf } from './handshake.js'
import { freshKeys, intrude } from './intruder.js'
import { say } from './say.js'

/** Handshakes in a millisecond, and how many at once when it was kept from its work. */
const HANDSHAKES_PER_MS = 2.5
const HANDSHAKES_MOST = 250

export type Flood = 'handshakes' | 'opens' | 'datagrams' | 'resets'

/** A session of which only the connection is ours: nothing of what the rules ask for is done. */
async function session(publicKey: Uint8Array, bootstrap: string[], keys = freshKeys()) {
  const { link, welcome, datagramKey } = await intrude(publicKey, bootstrap, keys)
  const mapOf = (proto: string): number => welcome.maps.find(map => map.proto === proto)!.id
  return { link, sealer: new Sealer(datagramKey), mapOf }
}

/** Each does a little of its flood, again and again; returns how many things it sent. */
type Step = () => number

/** Opens connections at the target and drops them, in messages of 500; and some of a map that there is not. */
async function opens(publicKey: Uint8Array, bootstrap: string[]): Promise<Step> {
  const { link, mapOf } = await session(publicKey, bootstrap)
  const map = mapOf('tcp')
  let flow = 0
  return () => {
    if (link.room() <= 0) return 0
    const frames: Uint8Array[] = []
    for (let i = 0; i < 500; i++) {
      frames.push(openFrame(++flow, i % 10 === 0 ? 999 : map, 0), resetFrame(flow, 'FLOW_RESET'))
    }
    say(link, ...frames)
    return 500
  }
}

/** Tiny frames, each in a message of its own: resets of a flow that is over, which are ignored. Comes back when it is dropped. */
async function resets(publicKey: Uint8Array, bootstrap: string[]): Promise<Step> {
  const keys = freshKeys()
  const frame = resetFrame(1, 'FLOW_RESET')
  let link: StreamLink | null = null
  const dial = async (): Promise<void> => {
    const fresh = await session(publicKey, bootstrap, keys)
    link = fresh.link
    say(link, openFrame(1, 999, 0))
    void link.closed.then(() => {
      link = null
      dial().catch(() => {})
    })
  }
  await dial()
  return () => {
    let sent = 0
    for (; link && sent < 500 && link.room() > 0; sent++) {
      say(link, frame)
    }
    return sent
  }
}

/** Full of small payloads, each of which costs the server a datagram to the target, and one back. */
async function datagrams(publicKey: Uint8Array, bootstrap: string[]): Promise<Step> {
  const { link, sealer, mapOf } = await session(publicKey, bootstrap)
  const map = mapOf('udp')
  const payload = Buffer.from('flood')
  const packer = new Packer(
    () => link.datagramSize(1200) - SEAL_BYTES,
    plain => link.sendDatagram(sealer.seal(plain))
  )
  return () => {
    for (let i = 0; i < 1000; i++) packer.udp(map, i % 3, payload)
    for (let i = 0; i < 20; i++) {
      packer.udp(map, 1, payload)
      packer.flush()
    }
    return 1020
  }
}

/** Each of a new key: some from here, most as a DHT node would pass them on, from forged addresses. */
async function handshakes(publicKey: Uint8Array, bootstrap: string[], ms: number): Promise<Step> {
  const key = childPublicKey(publicKey)
  const target = targetOf(key)
  // Does not wait for answers.
  const dht = new HyperDHT({ bootstrap, maxWindow: 100_000 } as HyperDHT.Options)
  await dht.fullyBootstrapped()
  // One honest dial tells where the server is.
  const stream = dht.connect(key)
  await once(stream, 'open')
  const to = { host: stream.rawStream.remoteHost!, port: stream.rawStream.remotePort }
  // It does not greet, for which the server ends it some day.
  stream.on('error', () => {})
  // Made beforehand: it takes as long as answering them does.
  const messages = Array.from({ length: ms * HANDSHAKES_PER_MS }, (_, n) =>
    firstMessage(HyperDHT.keyPair(), key, n + 1)
  )
  let at = 0
  return () => {
    // More than a server can answer; what is lost on the way harms nobody.
    const now = performance.now()
    const due = Math.min(HANDSHAKES_MOST, Math.floor((now - at) * HANDSHAKES_PER_MS))
    if (due === 0) return 0
    at = now
    const some = messages.splice(-due)
    for (const noise of some) {
      const n = messages.length
      const forged = n % 4 ? { host: `127.9.${(n >> 8) & 255}.${n & 255}`, port: 1024 + n } : null
      sendHandshake(dht, to, target, noise, forged).catch(() => {})
    }
    return some.length
  }
}

const FLOODS: Record<Flood, (publicKey: Uint8Array, bootstrap: string[], ms: number) => Promise<Step>> = {
  handshakes,
  opens,
  datagrams,
  resets
}

const [kind = '', key = '', bootstrap = '', ms = ''] = process.argv.slice(2)
const step = await FLOODS[kind as Flood](decodeKey(key), bootstrap.split(','), Number(ms))
// It stands for a machine elsewhere, which takes no time from this one.
os.setPriority(19)
let sent = 0
let round = 0
let on = false
const go = (): void => {
  if (!on) return
  sent += step()
  setImmediate(go)
}
console.log(JSON.stringify({ up: true }))
for await (const line of createInterface(process.stdin)) {
  on = line === 'on'
  if (!on) console.log(JSON.stringify({ round: ++round, sent }))
  go()
}
process.exit(0)
