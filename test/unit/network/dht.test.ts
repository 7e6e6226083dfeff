// Which nodes are taken for dead, how often our address counts as changed, and how many handshakes are looked at.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import HyperDHT from 'hyperdht'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { Dht } from '../../../src/network/dht.js'
import { announceTopic } from '../../../src/network/topic.js'
import { systemClock } from '../../../src/util/clock.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** dht-rpc's numbers of its own questions. */
const [PING, PING_NAT] = [0, 1]

/** A node that knows of 8 others, which are asked nothing. */
function knowing8(t: TestContext): Dht {
  const dht = new Dht({ bootstrap: [] }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  for (let i = 1; i <= 8; i++) dht.addNode({ host: `11.0.0.${i}`, port: 49737 })
  assert.equal(dht.nodes.length, 8)
  return dht
}

function silence(dht: Dht, command: number, to = dht.nodes.latest!): void {
  dht._ontimeout({ to: to as typeof to & { id: Uint8Array }, internal: true, command })
}

test('a node that does not answer a question is dropped', t => {
  const dht = knowing8(t)
  silence(dht, PING)
  assert.equal(dht.nodes.length, 7)
})

test('a node whose answer was to come to a port that a NAT shuts is kept', t => {
  const dht = knowing8(t)
  for (let node = dht.nodes.latest; node; node = node.prev) silence(dht, PING_NAT, node)
  assert.equal(dht.nodes.length, 8)
})

test('one node that lies does not decide under which address a mapped port is reached', async t => {
  const nodes = [1, 2, 3, 4, 5].map(i => ({ host: `11.0.0.${i}`, port: 49737 }))
  let asked = 0
  class Mapped extends Dht {
    protected override async someNodes() {
      return nodes
    }
    // All answers come, the one that lies as the third.
    protected override askToAnswerAt(
      _port: number,
      node: HyperDHT.Address,
      onanswer: (answer: HyperDHT.Answer) => void
    ) {
      const to = { host: ++asked === 3 ? '203.0.113.66' : '198.51.100.7', port: 5000 }
      setImmediate(() => {
        this.serverSocket.emit('message', Buffer.of(0), node)
        onanswer({ from: { id: null as unknown as Uint8Array, ...node }, to } as HyperDHT.Answer)
      })
      return true
    }
  }
  const dht = new Mapped({ bootstrap: [] }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  assert.equal(await dht.reach(5000), '198.51.100.7')
})

/** What two nodes that lie answer: an address of ours that is another one each time. */
function lie(dht: Dht, time: number): void {
  const to = { host: `11.0.${16 + (time % 64)}.1`, port: 5000 }
  for (const host of ['11.0.0.1', '11.0.0.2']) {
    const id = null as unknown as Uint8Array
    dht._onresponse({ from: { id, host, port: 49737 }, to } as HyperDHT.Answer, false)
  }
}

test('an address that keeps changing is reported at growing intervals', async t => {
  const clock = new VirtualClock()
  const dht = new Dht({ bootstrap: [] }, clock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  const reported: number[] = []
  dht.on('moved', () => reported.push(clock.now() / 1000))
  for (let second = 0; second <= 200; second++) clock.at(second * 1000, () => lie(dht, second))
  clock.run(200_000)
  assert.deepEqual(reported, [1, 3, 7, 15, 31, 63, 123, 183])
})

test('that others reach this machine is noted in bounded time though dials never cease', async t => {
  let updated = false
  class Reached extends Dht {
    protected override isReached() {
      return Promise.resolve(true)
    }
    protected override async updateReach() {
      updated = true
    }
  }
  const dht = new Reached({ bootstrap: [] }, systemClock, { ...LIMITS, dialMs: 50 }, silentLog)
  t.after(() => dht.destroy({ force: true }))
  // Nobody answers there, which hyperdht takes seconds to notice.
  const relayAddresses = [{ host: '127.0.0.1', port: 9 }]
  const stream = dht.connect(Buffer.alloc(32, 1), { relayAddresses })
  stream.on('error', () => {})
  let closed = false
  stream.once('close', () => {
    closed = true
  })
  await dht.findReach()
  assert.ok(updated)
  for (let i = 0; i < 4; i++) {
    await dht.findReach()
    void dht.seen()
  }
  assert.equal(dht.listenerCount('dialled'), 1, 'those that were not waited for do not pile up')
  assert.equal(dht.listenerCount('nat-update'), 1)
  assert.ok(!closed, 'the dial is still in progress')
  stream.destroy()
})

test('when handshakes exceed the rate, their senders take turns', async t => {
  assert.equal(LIMITS.handshakeLooksPerSecond, 200, 'as docs/security.md says')
  const clock = new VirtualClock()
  const limits = { ...LIMITS, handshakeLooksPerSecond: 10, handshakesWaiting: 20 }
  const dht = new Dht({ bootstrap: [] }, clock, limits, silentLog)
  t.after(() => dht.destroy({ force: true }))
  const server = dht.createServer({}, () => {})
  const looks: string[] = []
  // What hyperdht decrypts a new one with.
  Object.assign(server, {
    _addHandshake: async (_key: string, noise: Buffer) => {
      looks.push(`${noise}`)
      return null
    }
  })
  const { _onpeerhandshake: handshake } = server as unknown as {
    _onpeerhandshake(message: object, request: object): Promise<object | null>
  }
  const [flooder, forwarder, other] = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
  const come = (name: string, host: string, client?: string) =>
    handshake(
      { noise: Buffer.from(name), peerAddress: client === undefined ? null : { host: client, port: 1 } },
      { from: { host, port: 49737 } }
    )
  const pass = async (ms: number): Promise<void> => {
    clock.at(clock.now() + ms, () => {})
    clock.run(clock.now() + ms)
    await turn()
  }
  for (let i = 0; i < 16; i++) void come(`flood ${i}`, flooder)
  // Through a node that forwards handshakes for anybody.
  for (let i = 0; i < 5; i++) void come(`forwarded flood ${i}`, forwarder, flooder)
  const answers = new Map<string, object | null>()
  const note = (name: string, host: string, client?: string): unknown =>
    come(name, host, client).then(answer => answers.set(name, answer))
  note('a guest', other)
  note('a forwarded guest', forwarder, '192.0.2.4')
  note('one more of the flood', flooder)
  await pass(0)
  assert.deepEqual(looks, ['flood 0'])
  assert.deepEqual([...answers], [['one more of the flood', null]], 'the others that wait are fewer than may')
  await pass(650)
  assert.deepEqual(looks.slice(1), [
    'flood 1',
    'forwarded flood 0',
    'a guest',
    'flood 2',
    'a forwarded guest',
    'flood 3'
  ])
  await pass(10_000)
  assert.equal(looks.length, 21, 'two made room for guests')
  assert.ok(!looks.includes('flood 15'))
})

test('a node with many servers is no leak', async t => {
  const dht = new Dht({ bootstrap: [] }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  const warnings: Error[] = []
  const onwarning = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', onwarning)
  t.after(() => process.off('warning', onwarning))
  const topics = Array.from({ length: 12 }, (_, i) =>
    announceTopic(
      dht,
      Buffer.alloc(32, i),
      HyperDHT.keyPair(),
      dht.createServer({}, () => {})
    )
  )
  await turn()
  assert.deepEqual(warnings, [])
  await Promise.all(topics.map(topic => topic.close()))
})

test('a NAT that cannot be punched, for want of a socket, ends nothing, and the log says so once', async t => {
  const warnings: unknown[] = []
  const log = { ...silentLog, warn: (about: object) => warnings.push(about) }
  const dht = new Dht({ bootstrap: [] }, systemClock, { ...LIMITS, punchSockets: 2 }, log)
  t.after(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  const punching = [1, 2, 3, 4].map(() => dht._socketPool.acquire())
  const own = dht.ownSockets as readonly unknown[]
  assert.deepEqual(
    punching.map(({ socket }) => own.includes(socket)),
    [false, false, true, true]
  )
  assert.deepEqual(warnings, [{ code: 'TOO_FEW_DESCRIPTORS' }])
  punching[3]!.release()
  const closed = once(punching[0]!.socket as never, 'close')
  punching[0]!.release()
  await closed
  const another = dht._socketPool.acquire()
  assert.ok(!own.includes(another.socket))
})
