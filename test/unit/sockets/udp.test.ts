import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { codeOf } from '../../../src/errors.js'
import { dialUdp, listenUdp } from '../../../src/sockets/udp.js'

const HELLO = Buffer.from('hello')

test('a target without a way to it is tried again, and only now and then', async () => {
  const failures: string[] = []
  let failed = (): void => {}
  // No socket is connected there that has not asked to broadcast.
  const target = dialUdp(
    '255.255.255.255',
    9,
    () => {},
    err => {
      failures.push(codeOf(err))
      failed()
    }
  )
  const begun = performance.now()
  const sending = setInterval(() => target.send(HELLO), 20)
  await new Promise<void>(resolve => {
    failed = () => failures.length === 2 && resolve()
  })
  clearInterval(sending)
  target.close()
  assert.ok(performance.now() - begun >= 1000, 'after a rest')
  assert.deepEqual(new Set(failures).size, 1)
})

test('what is sent while the socket is opened arrives, and nothing after it was closed', async () => {
  const server = dgram.createSocket('udp4')
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const target = dialUdp(
    'localhost',
    port,
    () => {},
    err => assert.fail(String(err))
  )
  target.send(HELLO)
  const [got] = await once(server, 'message')
  assert.deepEqual(got, HELLO)
  target.close()
  target.send(HELLO)
  target.close()
  server.close()
})

test('who sent from port 0 is sent nothing, and nothing fails', async () => {
  const listener = await listenUdp('127.0.0.1', 0, () => {})
  listener.send(HELLO, 0, '127.0.0.1')
  await listener.close()
})
