/** What hyperdht's own handshake carries for IPv6. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import HyperDHT from 'hyperdht'
import { LIMITS } from '../../../../src/limits.js'
import { createHandshake } from '../../../../src/network/internals.js'
import { type CompleteHandshake, nameIpv6 } from '../../../../src/network/ipv6/handshakes.js'
import { PendingHandshakes } from '../../../../src/network/ipv6/pending.js'
import { ProbeBudget } from '../../../../src/network/ipv6/probe-budget.js'
import type { Ipv6Address } from '../../../../src/wire/addresses.js'
import { VirtualClock } from '../../../sim/support/virtual-clock.js'

const CLIENT = [
  { host: '2a00:1::1', port: 5001 },
  { host: '2a00:1:0:2::', port: 5002 }
]
const SERVER = [{ host: '2a00:2:3:4:5:6:7:8', port: 65535 }]

/** A payload as hyperdht makes it. */
function payload(error = 0): HyperDHT.NoisePayload {
  const rest = { udx: { reusableSocket: false, id: 1, seq: 0 }, secretStream: {}, relayThrough: null }
  return { error, firewall: 0, holepunch: null, addresses4: [], addresses6: [], ...rest }
}

function shake(client: readonly Ipv6Address[], server: readonly Ipv6Address[], error = 0) {
  const keys = { client: HyperDHT.keyPair(), server: HyperDHT.keyPair() }
  const complete: { client?: CompleteHandshake; server?: CompleteHandshake } = {}
  const a = nameIpv6(
    createHandshake(keys.client, keys.server.publicKey),
    () => client,
    one => {
      complete.client = one
    }
  )
  const b = nameIpv6(
    createHandshake(keys.server, null),
    () => server,
    one => {
      complete.server = one
    }
  )
  b.recv(a.send(payload()))
  const answer = b.send(payload(error))
  b.final()
  const told = a.recv(answer)
  a.final()
  return { keys, complete, told }
}

test('both sides learn the addresses of the other, and have keys in common', () => {
  const { keys, complete } = shake(CLIENT, SERVER)
  const { client, server } = complete
  assert.ok(client && server)
  assert.deepEqual([client.addresses, server.addresses], [SERVER, CLIENT])
  assert.ok(b4a.equals(client.sendKey, server.receiveKey) && b4a.equals(client.receiveKey, server.sendKey))
  assert.ok(!b4a.equals(client.sendKey, client.receiveKey))
  assert.ok(b4a.equals(client.hash, server.hash))
  assert.ok(b4a.equals(client.remoteKey, keys.server.publicKey))
  assert.ok(b4a.equals(server.remoteKey, keys.client.publicKey))
})

test('where one side has no IPv6 neither looks for a path', () => {
  for (const [client, server] of [
    [CLIENT, []],
    [[], SERVER],
    [[], []]
  ] as const) {
    assert.deepEqual(shake(client, server).complete, {})
  }
})

test('a server that turns a client away does not tell its addresses', () => {
  const { complete, told } = shake(CLIENT, SERVER, 1)
  assert.deepEqual(told.addresses6, [])
  assert.equal(complete.client, undefined)
  assert.equal(complete.server, undefined)
})

test('a handshake names two addresses, and no more of the other side are taken', () => {
  const many = Array.from({ length: 6 }, (_, i) => ({ host: `2a00:1::${i + 1}`, port: 5000 + i }))
  const { complete } = shake(many, many)
  assert.equal(complete.client!.addresses.length, 2)
  assert.equal(complete.server!.addresses.length, 2)
})

function handshake(n: number): CompleteHandshake {
  const key = b4a.alloc(32, n)
  return { sendKey: key, receiveKey: key, remoteKey: key, hash: b4a.from([n >> 8, n]), addresses: CLIENT }
}

function pending() {
  const clock = new VirtualClock()
  const begun: number[] = []
  let ended = 0
  const list = new PendingHandshakes({
    clock,
    limits: LIMITS,
    search: ({ hash }) => {
      begun.push((hash[0]! << 8) | hash[1]!)
      return () => {
        ended++
      }
    }
  })
  const pass = (ms: number): void => {
    const until = clock.now() + ms
    clock.at(until, () => {})
    clock.run(until)
  }
  return { clock, list, begun, ended: () => ended, pass }
}

test('a client that comes by IPv4 is not looked for', () => {
  const { list, begun, pass, clock } = pending()
  list.add(handshake(1))
  list.add(handshake(2))
  pass(LIMITS.ipv6PunchMs / 2)
  list.arrived(handshake(1).hash)
  pass(LIMITS.ipv6PunchMs)
  assert.deepEqual(begun, [2])
  list.stop()
  assert.equal(clock.pending, 0)
})

test('a client is looked for for a while', () => {
  const { list, ended, pass } = pending()
  list.add(handshake(1))
  list.add(handshake(1))
  pass(LIMITS.ipv6PunchMs + LIMITS.ipv6PendingMs - 1)
  assert.deepEqual([list.size, ended()], [1, 0])
  pass(2)
  assert.deepEqual([list.size, ended()], [0, 1])
})

test('however many handshakes come, few clients are looked for at a time', () => {
  const { list, begun, pass } = pending()
  for (let n = 0; n < 10_000; n++) list.add(handshake(n))
  assert.equal(list.size, LIMITS.ipv6Handshakes)
  pass(60_000)
  assert.equal(begun.length, LIMITS.ipv6Handshakes)
  assert.equal(list.size, 0)
})

test('peers without a session leave packets to those with one', () => {
  const clock = new VirtualClock()
  const budget = new ProbeBudget(clock, LIMITS)
  let sent = 0
  while (budget.admitNew()) sent++
  assert.equal(sent, LIMITS.ipv6PacketsPerSecond - LIMITS.ipv6ReservedPackets)
  let more = 0
  while (budget.admit()) more++
  assert.equal(more, LIMITS.ipv6ReservedPackets)
  assert.equal(budget.admitNew(), false)
})
