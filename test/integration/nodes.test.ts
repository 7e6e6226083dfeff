// What those see who carry messages for others, and can do with it: the nodes of the DHT, and relays.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import HyperDHT from 'hyperdht'
import { Daemon } from '../../src/daemon.js'
import type { DaemonEvent } from '../../src/events.js'
import { childKeyPair, childPublicKey, hostName, RELAYED } from '../../src/identity/child.js'
import { decodeKey, encodeKey } from '../../src/identity/encoding.js'
import { GuestKey } from '../../src/identity/guest.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { decodeTicket } from '../../src/identity/ticket.js'
import { topicOf } from '../../src/identity/topic.js'
import { HyperNat } from '../../src/index.js'
import { ANNOUNCING_TOLD_MS, LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Dht } from '../../src/network/dht.js'
import { readOptionsFile } from '../../src/options/file.js'
import { systemClock } from '../../src/util/clock.js'
import { until } from '../support/deadline.js'
import { FROM_CLIENT, FROM_SERVER, targetOf } from '../support/handshake.js'
import { writeOptions } from '../support/hyper-nat.js'
import { intrude } from '../support/intruder.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { ASKED, type NodeRequest } from '../support/testnet.js'

async function sharing(stage: Stage) {
  const { bootstrap } = await stage.testnet()
  const server = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const shared = await server.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 1 }], private: true })
  const publicKey = decodeKey(shared.publicKey)
  const { ticket } = shared.invite({ name: 'Anna' })
  return { bootstrap, server, ticket, publicKey, announced: childPublicKey(publicKey) }
}

staged(
  'nodes see the announced key, the host key, the topic and addresses, and never the shared key',
  async stage => {
    const testnet = await stage.testnet()
    const requests: Pick<NodeRequest, 'command' | 'target' | 'value' | 'from'>[] = []
    testnet.watch(({ command, target, value, from }) => {
      requests.push({
        command,
        target: target && Buffer.from(target),
        value: value && Buffer.from(value),
        from
      })
      return false
    })
    const { bootstrap, server, ticket, publicKey, announced } = await sharing(stage)
    const { keyPair } = new GuestKey(decodeTicket(ticket).invite!)
    const guest = await stage.use(intrude(publicKey, bootstrap, keyPair))
    const of = (command: number, target: Uint8Array) =>
      requests.filter(one => one.command === command && one.target?.equals(target))
    const topic = topicOf(publicKey)
    const target = targetOf(announced)
    // What is announced before others are known to reach the server leaves from another socket.
    await until(10_000, 'the announcements', () => {
      const { port } = server.status().network
      return [target, topic].every(one => of(ASKED.announce, one).some(({ from }) => from.port === port))
    })

    const hostKey = childPublicKey(publicKey, hostName(guest.welcome.host))
    const handshakes = of(ASKED.handshake, target)
    // [what was sent, what is in it, from which port]
    for (const [some, key, port] of [
      [of(ASKED.announce, target), announced, server.status().network.port],
      [of(ASKED.announce, topic), hostKey, server.status().network.port],
      [handshakes.filter(({ value }) => value![1] === FROM_CLIENT), null, guest.port],
      [handshakes.filter(({ value }) => value![1] === FROM_SERVER), null, server.status().network.port]
    ] as const) {
      assert.ok(some.length > 0)
      assert.ok(some.some(({ from }) => from.host === '127.0.0.1' && from.port === port))
      if (key) assert.ok(some.every(({ value }) => value!.includes(key)))
    }
    for (const shared of [Buffer.from(publicKey), encodeKey(publicKey)]) {
      assert.ok(!requests.some(({ target, value }) => [target, value].some(part => part?.includes(shared))))
    }
  }
)

staged(
  'nodes that hold an announcement can deny it, to all clients that look for the server',
  async stage => {
    const testnet = await stage.testnet()
    const { bootstrap, ticket, announced, publicKey } = await sharing(stage)
    // Where to stand for that comes of the shared key.
    const places = [targetOf(announced), topicOf(publicKey)]
    let hidden = true
    let denied = 0
    testnet.watch(request => {
      const { command, target } = request
      if (!hidden || command === ASKED.announce || !places.some(place => target?.equals(place))) return false
      denied++
      request.reply(null)
      return true
    })
    const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const events: DaemonEvent[] = []
    guest.on('event', event => events.push(event))
    await guest.open({ ticket })
    await until(10_000, 'the guest to wait', () => events.some(({ event }) => event === 'waiting'))
    assert.ok(denied > 0)
    const waiting = events.flatMap(one => (one.event === 'waiting' ? [one.code] : []))
    assert.deepEqual(waiting, ['SERVER_NOT_FOUND'])
    hidden = false
    await until(20_000, 'the guest to find the server', () =>
      events.some(({ event }) => event === 'connected')
    )
  }
)

staged(
  'a relay knows a server by its relay identity, and a client by a key that each process draws',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const open = (): Dht => {
      const dht = new Dht({ bootstrap: [...bootstrap] }, systemClock, LIMITS, silentLog)
      stage.defer(() => dht.destroy({ force: true }))
      return dht
    }
    const relay = open()
    const relayKeys = HyperDHT.keyPair()
    const met: string[] = []
    const listening = relay.createServer({}, stream => {
      stream.on('error', () => {})
      met.push(encodeKey(stream.remotePublicKey))
    })
    await listening.listen(relayKeys)
    const server = keyPairOf(new Secret(newSecret()))
    for (const identity of [childKeyPair(server, RELAYED), undefined]) {
      for (const dht of [open(), open()]) {
        // As hyperdht does when there is no direct path.
        const stream = dht.connect(dht.relayThrough([relayKeys.publicKey], 0, identity)!()!)
        await once(stream, 'open')
        stream.destroy()
      }
    }
    await until(5000, 'all of them at the relay', () => met.length === 4)
    const known = encodeKey(childPublicKey(server.publicKey, RELAYED))
    assert.deepEqual(met.slice(0, 2), [known, known])
    assert.equal(new Set(met).size, 3)
  }
)

staged('a node with many servers announces a few of their keys at a time, and then all', async stage => {
  const testnet = await stage.testnet()
  const asked = new Map<string, number>()
  let isHeld = true
  testnet.watch(({ command, target }) => {
    if (command !== ASKED.findPeer || !target) return false
    const key = target.toString('hex')
    asked.set(key, (asked.get(key) ?? 0) + 1)
    return isHeld
  })
  const limits = { announcing: 2, announcingMs: 60_000 }
  const { bootstrap } = testnet
  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false, limits }))
  const sharing = Array.from({ length: 5 }, () =>
    node.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 1 }] })
  )
  // A node that does not answer is asked again after a second.
  const isAgain = (count: number): boolean => count > testnet.ports.length
  await until(20_000, 'the nodes are asked again', () => [...asked.values()].filter(isAgain).length === 2)
  assert.equal(asked.size, 2)
  isHeld = false
  const servers = await Promise.all(sharing)
  assert.ok(asked.size >= 2 * servers.length)
  assert.deepEqual(new Set(node.status().servers.map(({ announced }) => announced)), new Set(['announced']))
})

staged('a daemon says how many of its servers are announced, until all are', async stage => {
  const testnet = await stage.testnet()
  let isHeld = true
  testnet.watch(({ command }) => isHeld && command === ASKED.findPeer)
  const schema = [1, 2].map(() => ({ mode: 'server', secret: newSecret(), port: 9, proto: 'tcp' }))
  const written = writeOptions({ network: { bootstrap: testnet.bootstrap }, control: false, schema })
  stage.defer(() => written.remove())
  const daemon = await stage.use(new Daemon(await readOptionsFile(written.file), silentLog))
  const told: DaemonEvent[] = []
  daemon.on('event', event => event.event === 'announcing' && told.push(event))
  const started = daemon.start()
  await until(2 * ANNOUNCING_TOLD_MS, 'news of it', () => told.length > 0)
  assert.deepEqual(told[0], { event: 'announcing', announced: 0, servers: 2 })
  isHeld = false
  await started
})
