import { test } from 'node:test'
import { listenUdp } from '../../../src/sockets/udp.js'

const HELLO = Buffer.from('hello')

test('a sender from port 0 gets no answer, and nothing fails', async () => {
  const listener = await listenUdp('127.0.0.1', 0, () => {})
  listener.send(HELLO, 0, '127.0.0.1')
  await listener.close()
})
