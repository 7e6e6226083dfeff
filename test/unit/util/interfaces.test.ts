// Some systems keep their network interfaces from programs, and none of what asks for them may end for that.
import assert from 'node:assert/strict'
import os from 'node:os'
import { test } from 'node:test'
import { ownAddresses as lanInterfaces } from '../../../src/lan/own-addresses.js'
import { outsideAddresses, ownAddresses } from '../../../src/network/addresses.js'
import { ownIpv6Addresses } from '../../../src/network/ipv6/addresses.js'
import { isOwnHost } from '../../../src/programs/listeners.js'
import { lanAddresses } from '../../../src/sockets/other-address.js'

test('where the system does not list its interfaces, there are none', t => {
  const { networkInterfaces } = os
  t.after(() => {
    os.networkInterfaces = networkInterfaces
  })
  os.networkInterfaces = () => {
    throw new Error('A system error occurred: uv_interface_addresses returned Unknown system error 13')
  }
  for (const list of [ownAddresses, outsideAddresses, ownIpv6Addresses, lanAddresses])
    assert.deepEqual(list(), [], list.name)
  assert.equal(lanInterfaces().size, 0)
  assert.equal(isOwnHost('192.0.2.1'), false)
  assert.equal(isOwnHost('127.0.0.1'), true)
})
