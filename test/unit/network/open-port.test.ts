import assert from 'node:assert/strict'
import { test } from 'node:test'
import type HyperDHT from 'hyperdht'
import { OpenPort } from '../../../src/network/open-port.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const LIMITS = { portDoubtMs: 60_000, portClients: 3 }
const HERE = { host: '203.0.113.7', port: 50_001 }
const LOCAL = { host: '192.168.7.10', port: 49_737 }
const CLIENT = { host: '198.51.100.1', port: 4711 }
const [UNKNOWN, OPEN] = [0, 1]

class Server {
  readonly clock = new VirtualClock()
  readonly port = new OpenPort(this.clock, LIMITS)

  /** What a client is told in a handshake. */
  answer(key: number, client = CLIENT, firewall = UNKNOWN, own = UNKNOWN): HyperDHT.NoisePayload {
    const remotePublicKey = Uint8Array.of(key)
    let told: HyperDHT.NoisePayload | undefined
    const create = this.port.toldBy(() => ({
      remotePublicKey,
      recv: () => ({ firewall, addresses4: [] }),
      send(payload) {
        told = payload
        return new Uint8Array()
      }
    }))
    // In the order in which hyperdht's server does it.
    const handshake = create({ publicKey: new Uint8Array() }, null)
    const said = handshake.recv(new Uint8Array())
    this.port.asked(remotePublicKey, said, client)
    handshake.send({ firewall: own, addresses4: [LOCAL] })
    return told!
  }
}

const PUNCH = { firewall: UNKNOWN, addresses4: [LOCAL] }
const COME = { firewall: OPEN, addresses4: [HERE, LOCAL] }

test('clients are sent to the mapped port while there is one', () => {
  const server = new Server()
  assert.deepEqual(server.answer(1), PUNCH)
  server.port.address = HERE
  assert.deepEqual(server.answer(1), COME)
  server.port.address = null
  assert.deepEqual(server.answer(2), PUNCH)
})

test('those in the same LAN are not: the router need not send back what comes from inside', () => {
  const server = new Server()
  server.port.address = HERE
  assert.deepEqual(server.answer(1, { host: HERE.host, port: 4711 }), PUNCH)
})

test('those whom we reach ourselves are not', () => {
  const server = new Server()
  server.port.address = HERE
  assert.deepEqual(server.answer(1, CLIENT, OPEN), PUNCH)
})

test('a server that others reach without says so itself', () => {
  const server = new Server()
  server.port.address = HERE
  assert.deepEqual(server.answer(1, CLIENT, UNKNOWN, OPEN), { firewall: OPEN, addresses4: [LOCAL] })
})

test('a client that has not arrived is punched the next time, and sent there again after that', () => {
  const server = new Server()
  server.port.address = HERE
  let missed = 0
  server.port.onmissed = () => missed++
  assert.deepEqual(server.answer(1), COME)
  assert.equal(missed, 0)
  assert.deepEqual(server.answer(1), PUNCH)
  assert.equal(missed, 1)
  assert.deepEqual(server.answer(1), COME)
  assert.deepEqual(server.answer(2), COME, 'another client has nothing to do with it')
})

test('a client that has arrived is sent there every time', () => {
  const server = new Server()
  server.port.address = HERE
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(server.answer(1), COME)
    server.port.arrived(Uint8Array.of(1))
  }
})

test('what happened long ago does not count', () => {
  const server = new Server()
  server.port.address = HERE
  assert.deepEqual(server.answer(1), COME)
  server.clock.after(LIMITS.portDoubtMs + 1, () => {})
  server.clock.run(LIMITS.portDoubtMs + 1)
  assert.deepEqual(server.answer(1), COME)
})

test('only so many clients are remembered', () => {
  const server = new Server()
  server.port.address = HERE
  for (let key = 1; key <= LIMITS.portClients + 1; key++) assert.deepEqual(server.answer(key), COME)
  assert.deepEqual(server.answer(1), COME, 'the first one has been forgotten')
  assert.deepEqual(server.answer(4), PUNCH, 'the last one has not')
})
