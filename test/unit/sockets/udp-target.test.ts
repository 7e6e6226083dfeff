import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { codeOf } from '../../../src/errors.js'
import { LIMITS } from '../../../src/limits.js'
import { HostResolver } from '../../../src/sockets/host-resolver.js'
import { UdpTarget, type UdpTargetDeps } from '../../../src/sockets/udp-target.js'
import { Budget } from '../../../src/util/budget.js'
import { until } from '../../support/deadline.js'
import { freePort } from '../../support/servers.js'

const HELLO = Buffer.from('hello')

/** A target whose name has these addresses; the list may be changed. */
function targetOf(addresses: string[], port: number, more: Partial<UdpTargetDeps> = {}) {
  const lookUps: number[] = []
  const errors: string[] = []
  const answers: string[] = []
  const resolver = new HostResolver('a.name', LIMITS, async () => {
    lookUps.push(performance.now())
    return [...addresses]
  })
  const target = new UdpTarget({
    resolver,
    port,
    waiting: new Budget(LIMITS.resolveBytes),
    limits: { targetSilentMs: 50 },
    onmessage: payload => answers.push(String(payload)),
    onerror: err => errors.push(codeOf(err)),
    ...more
  })
  after(() => target.close())
  return { target, lookUps, errors, answers }
}

/** Tells that there is no way to one address. */
function offAt(off: string) {
  return async (address: string) =>
    address === off ? Object.assign(new Error('off'), { code: 'EHOSTUNREACH' }) : null
}

/** Answers each datagram with its own address. */
async function echo(address: string, port = 0, answers = true): Promise<dgram.Socket & { got: string[] }> {
  const socket = Object.assign(dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4'), {
    got: [] as string[]
  })
  socket.on('message', (payload, from) => {
    socket.got.push(String(payload))
    if (answers) socket.send(address, from.port, from.address)
  })
  socket.bind({ address, port })
  await once(socket, 'listening')
  after(() => socket.close())
  return socket
}

test('a target without a way to it is tried again, and only now and then', async () => {
  const failures: string[] = []
  let failed = (): void => {}
  // No socket is connected there that has not asked to broadcast.
  const target = new UdpTarget({
    resolver: new HostResolver('255.255.255.255', LIMITS),
    port: 9,
    waiting: new Budget(LIMITS.resolveBytes),
    limits: LIMITS,
    onmessage: () => {},
    onerror: err => {
      failures.push(codeOf(err))
      failed()
    }
  })
  const begun = performance.now()
  const sending = setInterval(() => target.send(HELLO), 20)
  await new Promise<void>(resolve => {
    failed = () => failures.length === 2 && resolve()
  })
  clearInterval(sending)
  target.close()
  assert.ok(performance.now() - begun >= 1000, 'after a rest')
  assert.equal(new Set(failures).size, 1)
})

test('what is sent while the socket is opened arrives, and nothing after it was closed', async () => {
  const server = await echo('127.0.0.1')
  const { target } = targetOf(['127.0.0.1'], server.address().port)
  target.send(HELLO)
  await once(server, 'message')
  target.close()
  target.send(HELLO)
  target.close()
  assert.deepEqual(server.got, ['hello'])
})

test('an address that refuses is left for the next one, which gets the payload', async () => {
  const server = await echo('127.0.0.2')
  const { target, answers, errors } = targetOf(['127.0.0.1', '127.0.0.2'], server.address().port)
  target.send(HELLO)
  await until(5000, 'an answer', () => answers.length === 1)
  assert.deepEqual([answers, server.got, errors], [['127.0.0.2'], ['hello'], []])
})

test('a name of which all addresses refuse is tried again at a limited rate', async t => {
  const { target, errors, lookUps } = targetOf(['127.0.0.1', '127.0.0.2'], await freePort())
  const created = t.mock.method(dgram, 'createSocket')
  const sending = setInterval(() => target.send(HELLO), 10)
  after(() => clearInterval(sending))
  await until(5000, 'several look-ups', () => lookUps.length >= 4)
  assert.ok(errors.includes('ECONNREFUSED'))
  // Both addresses in each round, of which there is one a second.
  assert.ok(created.mock.callCount() <= 2 * lookUps.length, `${created.mock.callCount()} sockets`)
})

test('an address without a route is left for the next one', async () => {
  const server = await echo('127.0.0.1')
  // Its connection fails, as that to an IPv6 address does where there is none.
  const { target, answers } = targetOf(['255.255.255.255', '127.0.0.1'], server.address().port)
  target.send(HELLO)
  await until(5000, 'an answer', () => answers.length === 1)
  assert.deepEqual(answers, ['127.0.0.1'])
})

test('a name that has moved is followed when the old address refuses, and looked up at a limited rate', async () => {
  const first = await echo('127.0.0.1')
  const { port } = first.address()
  const addresses = ['127.0.0.1']
  const { target, answers, lookUps } = targetOf(addresses, port)
  const sending = setInterval(() => target.send(HELLO), 10)
  after(() => clearInterval(sending))
  await until(5000, 'the first', () => answers.includes('127.0.0.1'))
  first.removeAllListeners('message')
  await new Promise<void>(resolve => first.close(resolve))
  first.close = () => first
  await until(5000, 'several look-ups', () => lookUps.length >= 3)
  for (let i = 2; i < lookUps.length; i++)
    assert.ok(lookUps[i]! - lookUps[i - 1]! >= 900, 'not more than one a second')
  await echo('127.0.0.2', port)
  addresses[0] = '127.0.0.2'
  await until(5000, 'the second', () => answers.includes('127.0.0.2'))
})

test('a name that has moved is followed when the old address falls silent; a target that never answers is not left', async () => {
  const first = await echo('127.0.0.1', 0, false)
  const { port } = first.address()
  const addresses = ['127.0.0.1', '127.0.0.2']
  const { target, answers, lookUps } = targetOf(addresses, port)
  const second = await echo('127.0.0.2', port)
  const sending = setInterval(() => target.send(HELLO), 10)
  after(() => clearInterval(sending))
  await until(5000, 'look-ups', () => lookUps.length >= 2)
  assert.deepEqual(second.got, [])
  addresses.shift()
  await until(5000, 'the second', () => answers.includes('127.0.0.2'))
})

test('an address that is silent because there is no computer is left for the next one', async () => {
  // It takes what is sent and does not answer, as the system does for a computer that is off.
  const first = await echo('127.0.0.1', 0, false)
  const { port } = first.address()
  await echo('127.0.0.2', port)
  const addresses = ['127.0.0.1', '127.0.0.2']
  const resolver = new HostResolver('a.name', LIMITS, async () => addresses, offAt('127.0.0.1'))
  const { target, answers, errors } = targetOf([], port, { resolver })
  const sending = setInterval(() => target.send(HELLO), 10)
  after(() => clearInterval(sending))
  await until(5000, 'the second', () => answers.includes('127.0.0.2'))
  assert.deepEqual(errors, [])
})

test('a silent target is reported when there is no computer at its address', async () => {
  const silent = await echo('127.0.0.1', 0, false)
  const resolver = new HostResolver('127.0.0.1', LIMITS, undefined, offAt('127.0.0.1'))
  const { target, errors } = targetOf([], silent.address().port, { resolver })
  const sending = setInterval(() => target.send(HELLO), 10)
  after(() => clearInterval(sending))
  await until(5000, 'a report', () => errors.includes('EHOSTUNREACH'))
})

test('flows of one name share a look-up and a budget for what waits', async () => {
  let lookUps = 0
  let found = (_: string[]): void => {}
  const server = await echo('127.0.0.1')
  const resolver = new HostResolver('a.name', LIMITS, () => {
    lookUps++
    return new Promise<string[]>(resolve => {
      found = resolve
    })
  })
  const waiting = new Budget(10 * 1000)
  const targets = Array.from({ length: 50 }, () => {
    const deps = { resolver, port: server.address().port, waiting, limits: LIMITS }
    return new UdpTarget({ ...deps, onmessage: () => {}, onerror: err => assert.fail(String(err)) })
  })
  after(() => {
    for (const target of targets) target.close()
  })
  for (let round = 0; round < 100; round++) for (const target of targets) target.send(Buffer.alloc(1000))
  assert.deepEqual([lookUps, waiting.used], [1, 10_000])
  found(['127.0.0.1'])
  await until(5000, 'what waited', () => server.got.length === 10)
  assert.equal(waiting.used, 0)
})

test('a target without a descriptor sends nothing, and says so', async () => {
  let ended = 0
  const server = await echo('127.0.0.1')
  const { port } = server.address()
  const { target } = targetOf(['127.0.0.1'], port, { openSocket: () => null, onended: () => void ended++ })
  target.send(HELLO)
  await until(5000, 'the end', () => ended === 1)
  target.send(HELLO)
  const other = targetOf(['127.0.0.1'], port).target
  other.send(Buffer.from('from another'))
  await until(5000, 'what was sent later', () => server.got.length > 0)
  assert.deepEqual([server.got, ended], [['from another'], 1])
})
