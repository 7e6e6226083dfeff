import assert from 'node:assert/strict'
import { test } from 'node:test'
import { otherAddress } from '../../../src/sockets/other-address.js'
import { bindUdp, freePort, listenTcp } from '../../support/servers.js'

test('the address at which a program has a port is found, by protocol', {
  skip: process.platform === 'darwin' && 'macOS has 127.0.0.1 alone'
}, async t => {
  const tcp = await listenTcp(() => {}, { host: '127.0.0.3' })
  const udp = await bindUdp(() => {}, { host: '127.0.0.3' })
  t.after(() => Promise.all([tcp.close(), udp.close()]))
  const addresses = ['192.0.2.250', '127.0.0.2', '127.0.0.3']
  assert.equal(await otherAddress('tcp', tcp.port, addresses), '127.0.0.3')
  assert.equal(await otherAddress('udp', udp.port, addresses), '127.0.0.3')
  assert.equal(await otherAddress('tcp', tcp.port, ['127.0.0.2']), undefined)
  assert.equal(await otherAddress('tcp', await freePort(), addresses), undefined)
  assert.equal(await otherAddress('tcp', tcp.port, []), undefined)
})
