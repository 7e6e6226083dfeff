// Real sockets: multicast over the interfaces of this machine.
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type HyperDHT from 'hyperdht'
import { silentLog } from '../../../src/log/log.js'
import { askLan, LanQuestion, LanResponder } from '../../../src/network/lan-search.js'
import { until } from '../../support/deadline.js'
import { isLinux } from '../../support/machine.js'
import { Random } from '../../support/random.js'

const skip = !isLinux && 'multicast over loopback is not everywhere'

function responder(t: TestContext, port: number): LanResponder {
  const one = new LanResponder(() => port, silentLog)
  t.after(() => one.close())
  return one
}

/** Asks until `done`, and gives all that answered. */
async function ask(t: TestContext, key: Uint8Array, done: (answers: HyperDHT.Address[]) => boolean) {
  const answers: HyperDHT.Address[] = []
  let over = false
  t.after(
    askLan(
      key,
      1500,
      address => answers.push(address),
      () => {
        over = true
      }
    )
  )
  await until(5000, 'the search', () => over || done(answers))
  return answers
}

test('each process that has the server answers with its port', { skip }, async t => {
  const key = new Random().bytes(32)
  responder(t, 1111).add(key)
  responder(t, 2222).add(key)
  const ports = (answers: readonly HyperDHT.Address[]): number[] => [
    ...new Set(answers.map(({ port }) => port))
  ]
  const answers = await ask(t, key, answers => ports(answers).length === 2)
  assert.deepEqual(ports(answers).sort(), [1111, 2222])
  assert.ok(answers.some(({ host }) => host === '127.0.0.1'))
  assert.equal(new Set(answers.map(({ host, port }) => `${host}:${port}`)).size, answers.length, 'each once')
})

test('nothing answers for another key, or after the server has ended', { skip }, async t => {
  const random = new Random()
  const key = random.bytes(32)
  const one = responder(t, 1111)
  const [first, second] = [one.add(key), one.add(key)]
  one.add(random.bytes(32))
  assert.deepEqual(await ask(t, random.bytes(32), answers => answers.length > 0), [])
  first()
  assert.ok((await ask(t, key, answers => answers.length > 0)).length > 0, 'another server has the same key')
  second()
  assert.deepEqual(await ask(t, key, answers => answers.length > 0), [])
})

test('a flood of questions gets few answers, and none what is no question', { skip }, async t => {
  const key = new Random().bytes(32)
  responder(t, 1111).add(key)
  let question: Buffer | null = null
  const listener = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  t.after(() => listener.close())
  listener.on('message', packet => {
    question ??= packet
  })
  listener.bind(49_736)
  await once(listener, 'listening')
  listener.addMembership('239.255.72.78', '127.0.0.1')
  await ask(t, key, () => question !== null)
  // The key itself is not told.
  assert.equal(question!.byteLength, 37)
  assert.ok(!question!.includes(key))
  const socket = dgram.createSocket('udp4')
  t.after(() => socket.close())
  let answers = 0
  socket.on('message', packet => {
    assert.equal(packet.byteLength, 39)
    answers++
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.setMulticastInterface('127.0.0.1')
  const send = (packet: Uint8Array): void => socket.send(packet, 49_736, '239.255.72.78')
  for (const size of [0, 1, 5, 36, 38, 500])
    send(Buffer.concat([question!, Buffer.alloc(500)]).subarray(0, size))
  const started = performance.now()
  for (let i = 0; i < 300; i++) {
    send(question!)
    if (i % 10 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await until(5000, 'some answers', () => answers >= 20)
  await ask(t, new Random().bytes(32), () => false)
  // 40 at once after a rest, then 20 a second.
  const most = 40 + (20 * (performance.now() - started)) / 1000
  assert.ok(answers <= most, `${answers} answers, ${most.toFixed()} allowed`)
})

/** A responder that listens nowhere. */
function answering(t: TestContext, key: Uint8Array): LanResponder {
  const one = new LanResponder(() => 1111, silentLog)
  t.after(one.add(key))
  return one
}

test('a question from beyond the LAN gets no answer', t => {
  const key = new Random().bytes(32)
  const { packet } = new LanQuestion(key)
  const one = answering(t, key)
  for (const host of ['203.0.113.7', '100.64.0.1', '172.32.0.1'])
    assert.equal(one.answer(packet, { address: host, port: 40_000 }), null, host)
  for (const host of ['192.168.7.10', '10.0.0.7', '169.254.7.7']) {
    assert.ok(one.answer(packet, { address: host, port: 40_000 }), host)
  }
})

test('a question from port 0 gets no answer: dgram would throw', t => {
  const key = new Random().bytes(32)
  const { packet } = new LanQuestion(key)
  const one = answering(t, key)
  assert.equal(one.answer(packet, { address: '192.168.7.10', port: 0 }), null)
  assert.ok(one.answer(packet, { address: '192.168.7.10', port: 1 }))
})

test('an answer from beyond the LAN is not taken for one', t => {
  const key = new Random().bytes(32)
  const question = new LanQuestion(key)
  const answer = answering(t, key).answer(question.packet, { address: '192.168.7.10', port: 40_000 })!
  for (const host of ['203.0.113.7', '100.64.0.1', '172.32.0.1']) {
    assert.equal(question.addressIn(answer, host), null, host)
  }
  assert.deepEqual(question.addressIn(answer, '192.168.7.10'), { host: '192.168.7.10', port: 1111 })
  assert.equal(question.addressIn(answer, '192.168.7.10'), null, 'each once')
  assert.equal(new LanQuestion(new Random().bytes(32)).addressIn(answer, '192.168.7.10'), null)
})

test('groups are joined again after each change: an interface may have come back with its address', t => {
  const joined: unknown[] = []
  t.mock.method(dgram.Socket.prototype, 'addMembership', (_: string, address: string) => joined.push(address))
  const one = answering(t, new Random().bytes(32))
  one.join()
  const once = joined.length
  assert.ok(once > 0)
  one.join()
  assert.equal(joined.length, 2 * once)
})
