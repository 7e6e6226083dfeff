// Handshakes that hyperdht does not expect: none of them ends the process that gets it, on either side.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import HyperDHT from 'hyperdht'
import { childKeyPair, childPublicKey } from '../../src/identity/child.js'
import { decodeKey, encodeKey } from '../../src/identity/encoding.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Dht } from '../../src/network/dht.js'
import { systemClock } from '../../src/util/clock.js'
import { within } from '../support/deadline.js'
import { firstMessage, Handshake, sendHandshake, targetOf } from '../support/handshake.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { freshKeys } from '../support/intruder.js'
import { freePort } from '../support/servers.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

const SHARES = [{ proto: 'tcp', port: 9 }] as const
/** Of a first message without its last field, down to one that lacks its whole seal. */
const SHORT = Array.from({ length: 17 }, (_, i) => 80 + i)

const internals = createRequire(createRequire(import.meta.url).resolve('hyperdht'))

/** What a hostile end puts into its answer. */
type Lie = (said: object) => object

async function strangerOf(stage: Stage): Promise<HyperDHT> {
  const { bootstrap } = await stage.testnet()
  const dht = new HyperDHT({ bootstrap })
  stage.defer(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  return dht
}

/** The answers of a server whose owner has changed the program. */
function lying(lie: Lie): HyperDHT.CreateHandshake {
  return (keyPair, remoteKey) => {
    const handshake = new Handshake(keyPair, remoteKey) as unknown as HyperDHT.Handshake
    const { recv, send } = handshake
    // As if the client could not be reached, so that it is answered with all the ways there are.
    handshake.recv = noise => ({ ...recv.call(handshake, noise), firewall: 0 })
    handshake.send = said => send.call(handshake, lie(said) as HyperDHT.NoisePayload)
    return handshake
  }
}

/** Announces a server that lies, and has a guest dial it. @returns the guest, once its handshake has been answered */
async function guestOf(
  stage: Stage,
  dht: HyperDHT,
  lie: (server: HyperDHT.Server) => Lie
): Promise<HyperNat> {
  const own = freshKeys()
  let dialled = (): void => {}
  const asked = new Promise<void>(resolve => {
    dialled = resolve
  })
  const server: HyperDHT.Server = dht.createServer(
    {
      createHandshake: lying(said => lie(server)(said)),
      firewall: () => {
        dialled()
        return false
      }
    },
    stream => stream.on('error', () => {})
  )
  await server.listen(childKeyPair(own))
  const publicKey = encodeKey(own.publicKey)
  const guest = await stage.daemon([{ mode: 'client', publicKey, ...SHARES[0], localPort: 0 }])
  await within(20_000, asked, () => 'a handshake')
  return guest
}

/** A relay of one's own, which says twice that the other side is there. */
async function twiceRelay(dht: HyperDHT): Promise<{ publicKey: Uint8Array; paired: Promise<void> }> {
  const Protomux = internals('protomux') as { from(stream: object): Mux }
  const { messages } = internals('blind-relay') as { messages: { pair: object; unpair: object } }
  const keys = freshKeys()
  let done = (): void => {}
  const paired = new Promise<void>(resolve => {
    done = resolve
  })
  const relay = dht.createServer({}, stream => {
    stream.on('error', () => {})
    const channel = Protomux.from(stream).createChannel({
      protocol: 'blind-relay',
      id: stream.remotePublicKey
    })
    const pair = channel.addMessage({
      encoding: messages.pair,
      onmessage: message => {
        channel.cork()
        for (const id of [77, 78]) pair.send({ ...message, id })
        channel.uncork()
        done()
      }
    })
    channel.addMessage({ encoding: messages.unpair })
    channel.open()
  })
  await relay.listen(keys)
  return { publicKey: keys.publicKey, paired }
}

interface Mux {
  createChannel(options: object): {
    addMessage(options: { encoding: object; onmessage?: (message: object) => void }): {
      send(message: object): void
    }
    cork(): void
    uncork(): void
    open(): void
  }
}

/** It still lets guests in; a daemon that has ended fails at the end of each test, too. */
async function letsIn(stage: Stage, publicKey: string): Promise<void> {
  const guest = await stage.daemon(
    [{ mode: 'client', publicKey, ...SHARES[0], localPort: 0 }],
    {},
    { name: 'later guest' }
  )
  await guest.event('connected')
}

staged('first messages that are too short for their seal', async stage => {
  const dht = await strangerOf(stage)
  const server = await stage.daemon(serverEntries(SHARES, newSecret()))
  const { publicKey } = await server.event('ready')
  const key = childPublicKey(decodeKey(publicKey))
  const whole = firstMessage(HyperDHT.keyPair(), key)
  for await (const { from } of dht.findPeer(key)) {
    await Promise.all(SHORT.map(size => sendHandshake(dht, from, targetOf(key), whole.subarray(0, size))))
  }
  await letsIn(stage, publicKey)
})

staged('a server that says that others reach it at port 0', async stage => {
  const dht = await strangerOf(stage)
  const lie: Lie = said => ({
    ...said,
    firewall: 1,
    holepunch: null,
    relayThrough: null,
    addresses4: [{ host: '1.2.3.4', port: 0 }]
  })
  const guest = await guestOf(stage, dht, () => lie)
  await guest.event('waiting')
})

staged('a DHT node that answers in the place of a server keeps nobody from it', async stage => {
  const { bootstrap } = await stage.testnet()
  const there = await strangerOf(stage)
  const keys = HyperDHT.keyPair()
  await there.createServer({}, stream => stream.on('error', () => {})).listen(keys)
  const liar = await strangerOf(stage)
  let lies = 0
  const { _router: router } = liar as unknown as { _router: { set(target: string, state: object): void } }
  router.set(targetOf(keys.publicKey).toString('hex'), {
    relay: null,
    record: null,
    onpeerhandshake: async () => {
      lies++
      return { socket: null, noise: randomBytes(200) }
    },
    onpeerholepunch: null
  })
  const here = new Dht({ bootstrap: [...bootstrap] }, systemClock, LIMITS, silentLog)
  stage.defer(() => here.destroy({ force: true }))
  await here.fullyBootstrapped()
  const relayAddresses = [{ host: '127.0.0.1', port: liar.address()!.port }]
  const stream = here.connect(keys.publicKey, { keyPair: HyperDHT.keyPair(), relayAddresses })
  await within(20_000, once(stream, 'open'), () => 'a connection')
  assert.equal(lies, 1)
})

staged('a relay that says twice that the other side is there', async stage => {
  const dht = await strangerOf(stage)
  const relay = await twiceRelay(dht)
  const relayThrough = { publicKey: relay.publicKey, token: randomBytes(32) }
  const guest = await guestOf(stage, dht, server => said => ({
    ...said,
    firewall: 0,
    addresses4: [],
    // The nodes that it announced itself to, which exist by the time that somebody dials.
    holepunch: {
      id: 1,
      relays: (server as unknown as { _announcer: { relays: object[] } })._announcer.relays
    },
    relayThrough
  }))
  await within(20_000, relay.paired, () => 'the relay to be asked')
  await guest.event('waiting')
})

/** Batches of Protomux, each in the one before. */
function nestedBatches(depth: number): Buffer {
  return Buffer.concat([Buffer.of(0, 0), ...Array(depth).fill(Buffer.of(0, 0xfd, 0xff, 0xff, 0))])
}

async function relayOf(stage: Stage): Promise<{ port: number; key: Uint8Array }> {
  const port = await freePort()
  const relay = await stage.run(['relay', '--secret', newSecret(), '--port', `${port}`], 'relay')
  const { publicKey } = await relay.event('ready')
  return { port, key: decodeKey(publicKey) }
}

/** It still takes connections; one that has ended fails at the end of the test, too. */
async function answers(dht: HyperDHT, key: Uint8Array): Promise<void> {
  const stream = dht.connect(key)
  stream.on('error', () => {})
  await within(20_000, once(stream, 'open'), () => 'another connection')
  stream.destroy()
}

staged('a message to a relay in which batches lie in batches', async stage => {
  const dht = await strangerOf(stage)
  const { key } = await relayOf(stage)
  const stream = dht.connect(key)
  stream.on('error', () => {})
  await within(20_000, once(stream, 'open'), () => 'a connection')
  const closed = new Promise(resolve => stream.once('close', resolve))
  stream.write(nestedBatches(8000))
  await within(10_000, closed, () => 'the end of the connection')
  await answers(dht, key)
})

staged(
  'a handshake of a relay for a client that it says is at port 0, where others reach it',
  async stage => {
    const dht = await strangerOf(stage)
    const { port, key } = await relayOf(stage)
    const noise = firstMessage(HyperDHT.keyPair(), key, 1, 1)
    const nobody = { host: '192.0.2.1', port: 0 }
    await sendHandshake(dht, { host: '127.0.0.1', port }, targetOf(key), noise, nobody)
    await answers(dht, key)
  }
)

staged('more clients behind NATs than there are files to open for them', async stage => {
  if (process.platform !== 'linux') return stage.t.skip('limits a process with sh')
  const limit = 80
  const dht = await strangerOf(stage)
  const { bootstrap } = await stage.testnet()
  const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'server-behind-nat.js')
  const args = ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, program, bootstrap.join(',')]
  const server = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  stage.defer(() => server.kill())
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]()
  const next = (): Promise<string> =>
    within(20_000, lines.next(), () => 'a line').then(({ value }) => value ?? 'the end')
  const { key, port } = JSON.parse(await next())
  const publicKey = decodeKey(key)
  const to = { host: '127.0.0.1', port }
  const before = Number(await next())
  // Each is held for 10 s, and the answer goes to where it says that it comes from.
  const sent = Array.from({ length: 2 * limit }, (_, i) => {
    const from = { host: `192.0.2.${i}`, port: 1024 + i }
    return sendHandshake(dht, to, targetOf(publicKey), firstMessage(HyperDHT.keyPair(), publicKey), from)
  })
  await Promise.all(sent)
  await next()
  const open = Number(await next())
  assert.ok(open > before && open <= before + limit / 4 + 2, `${before} and ${open} open files`)
  await answers(dht, publicKey)
})
