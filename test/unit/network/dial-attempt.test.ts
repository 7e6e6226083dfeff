// Which ways a dial tries, when, and what comes of it. Streams, the DHT and the LAN are the test's own.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import type { HyperNatError } from '../../../src/errors.js'
import { LIMITS } from '../../../src/limits.js'
import { silentLog } from '../../../src/log/log.js'
import { DialAttempt, type DialDeps } from '../../../src/network/dial-attempt.js'
import type { CompleteHandshake } from '../../../src/network/ipv6/handshakes.js'
import { LastAddresses } from '../../../src/network/last-addresses.js'
import { RandomNats } from '../../../src/network/random-nats.js'
import type { StreamLink } from '../../../src/network/stream-link.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const KEY = new Uint8Array(32).fill(7)
const ADDRESS = { host: '203.0.113.7', port: 49_737 }

class Stream extends EventEmitter {
  readonly rawStream = Object.assign(new EventEmitter(), {
    remoteHost: ADDRESS.host,
    remotePort: ADDRESS.port,
    packetsReceived: 0
  })
  isDestroyed = false

  constructor(readonly options: HyperDHT.ConnectOptions) {
    super()
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.emit('close')
  }

  fail(code: string): void {
    this.emit('error', Object.assign(new Error(code), { code }))
    this.destroy()
  }
}

class Link {
  isDestroyed = false
  path = 'direct'

  destroy(): void {
    this.isDestroyed = true
  }
}

interface Network {
  nodes: number
  /** Of the LAN search, while there is one. */
  lan: { answer(address: HyperDHT.Address): void; done(): void } | null
  /** Of the attempt by IPv6, while there is one. */
  ipv6: ((link: StreamLink | null) => void) | null
}

/** @param known an address where the server was reached before */
function setUp({ nodes = 20, known = false, lan = true }) {
  const clock = new VirtualClock()
  const streams: Stream[] = []
  const opened = new Map<Stream, (link: StreamLink) => void>()
  const network: Network = { nodes, lan: null, ipv6: null }
  let onhandshake: (complete: CompleteHandshake) => void = () => {}
  const dht = {
    randomPunches: 0,
    randomized: false,
    get nodeCount() {
      return network.nodes
    },
    connect: (_key: Uint8Array, options: HyperDHT.ConnectOptions = {}) => {
      const stream = new Stream(options)
      streams.push(stream)
      return stream as unknown as SecretStream
    }
  }
  const lastAddresses = new LastAddresses(8)
  if (known) lastAddresses.note(KEY, new Stream({}) as unknown as SecretStream, { path: 'direct' })
  const deps: DialDeps = {
    dht,
    fallback: null,
    ipv6: {
      open: async () => {},
      handshakes: (_create, oncomplete) => {
        onhandshake = complete => oncomplete(complete, null!)
        return null!
      },
      dial: (_handshake, _keyPair, done) => {
        network.ipv6 = done
        return () => (network.ipv6 = null)
      }
    },
    askLan: lan
      ? (_key, _ms, answer, done) => {
          network.lan = { answer, done }
          return () => (network.lan = null)
        }
      : null,
    randomNats: new RandomNats(dht, 8),
    lastAddresses,
    relayThrough: undefined,
    createSecretStream: null!,
    whenOpen: (stream, onlink) => opened.set(stream as unknown as Stream, onlink),
    clock,
    limits: LIMITS,
    log: silentLog
  }
  const results: (StreamLink | HyperNatError)[] = []
  const attempt = new DialAttempt(deps, { key: KEY, keyPair: null!, relayAddresses: [] }, result =>
    results.push(result)
  )
  return {
    attempt,
    clock,
    dht,
    network,
    streams,
    lastAddresses,
    /** A stream opens. */
    open: (stream: Stream, link = new Link()): Link => {
      opened.get(stream)!(link as unknown as StreamLink)
      return link
    },
    /** The handshake through the DHT is complete. */
    shake: () => onhandshake({} as CompleteHandshake),
    pass: (ms: number): void => void clock.run(clock.now() + ms),
    get results() {
      return results.map(result => ('code' in result ? result.code : result))
    }
  }
}

test('the first way that leads there wins, and ends the others', () => {
  const dial = setUp({ known: true })
  const [byDht, byAddress] = dial.streams as [Stream, Stream]
  assert.deepEqual(byAddress.options.relayAddresses, [ADDRESS])
  assert.equal(byAddress.options.holepunch!(1, 1, null, null), false)
  const link = dial.open(byAddress)
  assert.deepEqual(dial.results, [link])
  assert.deepEqual([byDht.isDestroyed, byAddress.isDestroyed], [true, false])
  const late = dial.open(byDht)
  assert.ok(late.isDestroyed)
  assert.equal(dial.results.length, 1)
})

test('a dial fails when no way is left, with what the network said', () => {
  const dial = setUp({ known: true })
  const [byDht, byAddress] = dial.streams as [Stream, Stream]
  byDht.fail('PEER_NOT_FOUND')
  assert.deepEqual(dial.results, [])
  byAddress.fail('ETIMEDOUT')
  assert.deepEqual(dial.results, ['SERVER_NOT_FOUND'])
  assert.equal(dial.clock.pending, 0)
})

test('a dial takes so long, and longer while ports are tried at random', () => {
  const usual = setUp({})
  usual.pass(LIMITS.dialMs - 1)
  assert.deepEqual(usual.results, [])
  usual.pass(1)
  assert.deepEqual(usual.results, ['SERVER_UNREACHABLE'])
  assert.ok(usual.streams[0]!.isDestroyed)
  const random = setUp({})
  random.dht.randomPunches++
  random.pass(LIMITS.dialMs + LIMITS.randomPunchMs - 1)
  assert.deepEqual(random.results, [])
  random.pass(1)
  assert.deepEqual(random.results, ['SERVER_UNREACHABLE'])
})

test('the LAN is searched where there is no DHT, and few answers are dialled', () => {
  assert.equal(setUp({}).network.lan, null)
  const dial = setUp({ nodes: 0 })
  dial.streams[0]!.fail('PEER_NOT_FOUND')
  for (let i = 0; i < 9; i++) dial.network.lan!.answer({ host: '192.168.7.10', port: 1000 + i })
  assert.equal(dial.streams.length, 1 + 4)
  dial.network.lan!.done()
  assert.deepEqual(dial.results, [])
  for (const stream of dial.streams) stream.fail('ETIMEDOUT')
  assert.deepEqual(dial.results, ['DHT_UNREACHABLE'])
})

test('the LAN is left alone where that is wanted', () => {
  const dial = setUp({ nodes: 0, lan: false })
  dial.streams[0]!.fail('PEER_NOT_FOUND')
  assert.deepEqual(dial.results, ['DHT_UNREACHABLE'])
})

test('IPv6 is tried a while after the handshake, or once nothing else is left', () => {
  for (const soon of [false, true]) {
    const dial = setUp({})
    dial.shake()
    if (soon) dial.streams[0]!.fail('HOLEPUNCH_ABORTED')
    else {
      dial.pass(LIMITS.ipv6DialMs - 1)
      assert.equal(dial.network.ipv6, null)
      dial.pass(1)
    }
    const link = new Link()
    dial.network.ipv6!(link as unknown as StreamLink)
    assert.deepEqual(dial.results, [link])
    assert.equal(dial.clock.pending, 0)
  }
})

test('a dial whose attempt by IPv6 leads nowhere fails with what IPv4 said', () => {
  const dial = setUp({})
  dial.shake()
  dial.streams[0]!.fail('HOLEPUNCH_ABORTED')
  dial.network.ipv6!(null)
  assert.deepEqual(dial.results, ['SERVER_UNREACHABLE'])
})

test('a dial that is given up ends everything and calls nothing', () => {
  const dial = setUp({ nodes: 0, known: true })
  dial.shake()
  dial.attempt.close()
  assert.ok(dial.streams.every(stream => stream.isDestroyed))
  assert.equal(dial.network.lan, null)
  assert.equal(dial.clock.pending, 0)
  assert.deepEqual(dial.results, [])
})

test('a connection on which nothing arrives ends, unless a relay carries it', () => {
  for (const [path, packets, ended] of [
    ['direct', 0, true],
    ['direct', 1, false],
    ['relayed', 0, false]
  ] as const) {
    const dial = setUp({})
    const [stream] = dial.streams as [Stream]
    stream.rawStream.packetsReceived = packets
    const link = new Link()
    link.path = path
    dial.open(stream, link)
    dial.pass(LIMITS.firstPacketMs - 1)
    assert.equal(stream.isDestroyed, false)
    dial.pass(1)
    assert.equal(stream.isDestroyed, ended, `${path}, ${packets} packets`)
    // That of a relay is none of the server.
    assert.deepEqual(dial.lastAddresses.of(KEY), path === 'relayed' ? null : ADDRESS)
  }
})
