// The listener on real sockets, beside those of games on the same port.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LanListener } from '../../../src/lan/lan-listener.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { listenUdp } from '../../../src/sockets/udp.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { until } from '../../support/deadline.js'
import { GameSocket } from '../../support/games.js'
import { freePort } from '../../support/servers.js'

function listen(t: Pick<TestContext, 'after'>, port: number) {
  const clock = new VirtualClock()
  const busy: string[] = []
  const heard: string[] = []
  const listener = new LanListener({
    port,
    clock,
    limits: LIMITS,
    log: silentLog,
    onbusy: code => void busy.push(code),
    onmessage: payload => void heard.push(Buffer.from(payload).toString())
  })
  t.after(() => listener.close())
  /** So much later that it looks again. */
  const later = (): void => void clock.run(clock.now() + LIMITS.lanLookMs)
  return { busy, heard, listener, later }
}

async function opened(t: TestContext, port = 0): Promise<GameSocket> {
  const socket = await GameSocket.open(port)
  t.after(() => socket.close())
  return socket
}

test('a port that a game has to itself is reported once, and opened when the game is gone', async t => {
  const game = await GameSocket.open(0)
  const { port } = game
  const { busy, heard, listener, later } = listen(t, port)
  await listener.open()
  assert.deepEqual(busy, ['EADDRINUSE'])
  later()
  await game.close()
  const program = await opened(t)
  await until(5000, 'the listener to open', () => {
    later()
    program.send('hello', port, '127.0.0.1')
    return heard.includes('hello')
  })
  assert.deepEqual(busy, ['EADDRINUSE'])
})

test('what is sent to the map goes to the map, and the listener gets the rest', async t => {
  const port = await freePort()
  const mapped: string[] = []
  const map = await listenUdp('127.0.0.1', port, payload => void mapped.push(String(payload)), true)
  t.after(() => map.close())
  const { busy, heard, listener } = listen(t, port)
  await listener.open()
  assert.deepEqual(busy, [])
  const program = await opened(t)
  program.send('to the map', port, '127.0.0.1')
  program.send(
    'to another address of loopback',
    port,
    process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1'
  )
  await until(5000, 'both datagrams', () => mapped.length + heard.length === 2)
  if (process.platform !== 'linux') return
  assert.deepEqual([mapped, heard], [['to the map'], ['to another address of loopback']])
})

test('a map with a listener keeps its port from others all the same', async t => {
  const port = await freePort()
  const map = await listenUdp('127.0.0.1', port, () => {}, true)
  t.after(() => map.close())
  await assert.rejects(
    listenUdp('127.0.0.1', port, () => {}, true),
    { code: 'PORT_IN_USE' }
  )
  await assert.rejects(
    listenUdp('127.0.0.1', port, () => {}),
    { code: 'PORT_IN_USE' }
  )
  // A game that takes its server's port for itself moves on.
  await assert.rejects(GameSocket.open(port), { code: 'EADDRINUSE' })
})

test('a listener that is closed while it opens lets go of its port', async () => {
  const port = await freePort()
  const { listener } = listen({ after: () => {} }, port)
  const opening = listener.open()
  await listener.close()
  await opening
  await until(5000, 'the port to be free', async () => {
    try {
      await (await GameSocket.open(port)).close()
      return true
    } catch {
      return false
    }
  })
})
