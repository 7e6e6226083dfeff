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

const HOLDERS = [{ relayAddress: LOCAL, peerAddress: HERE }]
const RELAY = { publicKey: 'of a relay' }
const SAID = { error: 0, addresses6: null }
const PUNCH = { ...SAID, firewall: UNKNOWN, addresses4: [LOCAL] }
const COME = { ...SAID, firewall: OPEN, addresses4: [HERE, LOCAL] }

class Server {
  readonly clock = new VirtualClock()
  readonly port = new OpenPort(this.clock, LIMITS)
  /** Of the last handshake: whether its client is met at a relay, and what it said, as the server takes it. */
  relays = false
  said: HyperDHT.NoisePayload = PUNCH

  /** What a client is told in a handshake. */
  answer(
    key: number,
    client = CLIENT,
    firewall = UNKNOWN,
    own = UNKNOWN,
    relayThrough: object | null | undefined = undefined
  ): HyperDHT.NoisePayload {
    const remotePublicKey = Uint8Array.of(key)
    let told: HyperDHT.NoisePayload | undefined
    const create = this.port.toldBy(
      () => ({
        remotePublicKey,
        recv: () => ({ ...SAID, firewall, addresses4: [] }),
        final: () => assert.fail('not asked for'),
        send(payload) {
          told = payload
          return new Uint8Array()
        }
      }),
      () => HOLDERS
    )
    // In the order in which hyperdht's server does it.
    const handshake = create({ publicKey: new Uint8Array() }, null)
    const said = handshake.recv(new Uint8Array())
    this.port.asked(remotePublicKey, said, client)
    handshake.send({
      ...SAID,
      firewall: own,
      addresses4: [LOCAL],
      ...(relayThrough !== undefined && { relayThrough })
    })
    this.relays = this.port.relays(said)
    this.said = said
    return told!
  }
}

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
  assert.deepEqual(server.answer(1, CLIENT, UNKNOWN, OPEN), { ...SAID, firewall: OPEN, addresses4: [LOCAL] })
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

test('a client that comes straight is met at no relay, and at a relay alone after it has not arrived', () => {
  const server = new Server()
  const ask = (): HyperDHT.NoisePayload => server.answer(1, CLIENT, UNKNOWN, OPEN, RELAY)
  assert.deepEqual(ask(), { ...SAID, firewall: OPEN, addresses4: [LOCAL], relayThrough: null })
  assert.ok(!server.relays)
  const told = ask()
  const { holepunch } = told
  assert.deepEqual(told, { ...SAID, firewall: UNKNOWN, addresses4: [], relayThrough: RELAY, holepunch })
  // hyperdht's client would go straight to a server that has no such nodes.
  assert.equal(holepunch!.relays, HOLDERS)
  assert.ok(server.relays)
  server.port.arrived(Uint8Array.of(1), true)
  assert.equal(ask().firewall, UNKNOWN, 'it came through the relay, and does so for a while')
  server.clock.after(LIMITS.portDoubtMs + 1, () => {})
  server.clock.run(LIMITS.portDoubtMs + 1)
  assert.equal(ask().firewall, OPEN)
  server.port.arrived(Uint8Array.of(1))
  assert.equal(ask().firewall, OPEN)
})

test('a client that others reach is taken for one that they do not after nothing has come back from it', () => {
  const server = new Server()
  const ask = (): HyperDHT.NoisePayload => server.answer(1, CLIENT, OPEN, UNKNOWN, RELAY)
  assert.deepEqual(ask(), { ...PUNCH, relayThrough: null })
  assert.equal(server.said.firewall, OPEN)
  assert.deepEqual(ask(), { ...PUNCH, relayThrough: RELAY })
  assert.equal(server.said.firewall, UNKNOWN)
})

test('a client that is punched is met at a relay meanwhile, every time', () => {
  const server = new Server()
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(server.answer(1, CLIENT, UNKNOWN, UNKNOWN, RELAY), { ...PUNCH, relayThrough: RELAY })
    assert.ok(server.relays)
  }
})

test('with a mapped port and a relay it is the port first, then the relay and punching', () => {
  const server = new Server()
  server.port.address = HERE
  const ask = (): HyperDHT.NoisePayload => server.answer(1, CLIENT, UNKNOWN, UNKNOWN, RELAY)
  assert.deepEqual(ask(), { ...COME, relayThrough: null })
  assert.deepEqual(ask(), { ...PUNCH, relayThrough: RELAY })
})
