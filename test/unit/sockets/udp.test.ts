import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { listenUdp, type UdpListener } from '../../../src/sockets/udp.js'
import { isLinux } from '../../support/machine.js'

const HELLO = Buffer.from('hello')

test('a sender from port 0 gets no answer, and nothing fails', async () => {
  const listener = await listenUdp('127.0.0.1', 0, () => {})
  listener.send(HELLO, 0, '127.0.0.1')
  await listener.close()
})

/** Hears what games send to the LAN, beside others. */
async function listenBeside(t: TestContext, reuseAddr: boolean): Promise<number> {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr }).bind(0, '0.0.0.0')
  t.after(() => socket.close())
  await once(socket, 'listening')
  return socket.address().port
}

test('a port that is heard on all addresses is opened at another loopback address, once', {
  skip: !isLinux && 'elsewhere, such a port is free at every other address, or there is none'
}, async t => {
  const port = await listenBeside(t, true)
  for (const reusable of [false, true]) {
    let arrived = (_: string): void => {}
    const arriving = new Promise<string>(resolve => {
      arrived = resolve
    })
    const open = (host: string): Promise<UdpListener> =>
      listenUdp(host, port, payload => arrived(String(payload)), reusable)
    const listener = await open('127.0.0.2')
    const sender = dgram.createSocket('udp4')
    sender.send(HELLO, port, '127.0.0.2')
    assert.equal(await arriving, 'hello')
    sender.close()
    await assert.rejects(open('127.0.0.2'), { code: 'PORT_IN_USE' })
    // A game that has all addresses is reached there.
    await assert.rejects(open('127.0.0.1'), { code: 'PORT_IN_USE' })
    await listener.close()
  }
  const kept = await listenBeside(t, false)
  await assert.rejects(
    listenUdp('127.0.0.2', kept, () => {}),
    { code: 'PORT_IN_USE' }
  )
})
