import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { type ErrorCode, HyperNatError } from '../../../src/errors.js'
import { clientHandshake, proofOf, serverHandshake } from '../../../src/session/handshake.js'
import { closeNumber, FEATURES, FRAME, VERSIONS } from '../../../src/wire/constants.js'
import { closeFrame, helloFrame, openFrame, resetFrame, welcomeFrame } from '../../../src/wire/frames.js'
import type { Hello, Welcome } from '../../../src/wire/handshake.js'
import type { Link } from '../../../src/wire/link.js'
import { MemoryConnection } from '../../support/memory-link.js'
import { say } from '../../support/say.js'
import { World } from '../../support/session-peers.js'

const SHARED = b4a.from([...Array(32).keys()])

function setUp() {
  const world = new World(1, { delay: 10 })
  const handshakeHash = world.bytes(64)
  const connection = new MemoryConnection(world.clock, world.linkOptions, world.random.next, {
    client: world.bytes(32),
    server: world.bytes(32),
    handshakeHash
  })
  connection.client.record = true
  connection.server.record = true
  const options = (link: Link, sharedKey = SHARED) => ({
    link,
    sharedKey,
    clock: world.clock,
    timeoutMs: 1000
  })
  return { world, connection, handshakeHash, options }
}

const codes = (results: readonly unknown[]): unknown[] =>
  results.map(result => (result instanceof HyperNatError ? result.code : 'greeted'))

const hello = { datagramKey: b4a.alloc(32, 7), resume: null }
const welcome: Welcome = {
  versions: VERSIONS,
  features: FEATURES,
  session: b4a.alloc(16, 1),
  host: b4a.alloc(32, 4),
  datagramKey: b4a.alloc(32, 2),
  maps: [],
  resumed: null
}

test('the proof is BLAKE2b-256 keyed with the shared key', () => {
  // From an independent implementation: Python, hashlib.blake2b(b'hyper-nat/2/hello' + h, key=P, digest_size=32).
  const handshakeHash = b4a.from([...Array(64).keys()].map(i => i + 100))
  assert.equal(
    b4a.toString(proofOf(SHARED, handshakeHash), 'hex'),
    'e2879a06eee601e7a9bf8244a007ff3459e44d36f5967aa99447ff0794e94644'
  )
})

test('a client with the right key is accepted', () => {
  const { world, connection, options } = setUp()
  const heard: (Hello | HyperNatError)[] = []
  serverHandshake(options(connection.server), result => {
    heard.push(result)
    say(connection.server, welcomeFrame(welcome))
  })
  const answers: (Welcome | HyperNatError)[] = []
  clientHandshake(options(connection.client), hello, result => answers.push(result))
  world.pass(5000)
  assert.deepEqual(codes(heard), ['greeted'])
  assert.ok(b4a.equals((heard[0] as Hello).datagramKey, hello.datagramKey))
  assert.ok(b4a.equals((answers[0] as Welcome).session, welcome.session))
  assert.ok(b4a.equals((answers[0] as Welcome).datagramKey, welcome.datagramKey))
})

test('datagrams that overtake the WELCOME are kept for the session, a few of them', () => {
  const { world, connection, options } = setUp()
  serverHandshake(options(connection.server), () => {
    for (let i = 0; i < 100; i++) connection.server.sendDatagram(b4a.from([i]))
    world.clock.after(5, () => say(connection.server, welcomeFrame(welcome)))
  })
  const received: number[] = []
  clientHandshake(options(connection.client), hello, () => {
    connection.client.events = {
      ...connection.client.events,
      datagram: packet => void received.push(packet[0]!)
    }
  })
  world.pass(5000)
  assert.deepEqual(received, [...Array(64).keys()])
})

test('a client with another key is turned away, and learns only that', () => {
  const { world, connection, options } = setUp()
  const heard: unknown[] = []
  const answers: unknown[] = []
  serverHandshake(options(connection.server), result => heard.push(result))
  clientHandshake(options(connection.client, world.bytes(32)), hello, result => answers.push(result))
  world.pass(5000)
  assert.deepEqual(codes(heard), ['WRONG_KEY'])
  assert.deepEqual(codes(answers), ['WRONG_KEY'])
  assert.equal(connection.server.written.length, 1)
  assert.equal(connection.server.written[0]![1], 3, 'something else than CLOSE was said')
})

test('a proof from another handshake is worth nothing', () => {
  const { world, connection, options } = setUp()
  const heard: unknown[] = []
  serverHandshake(options(connection.server), result => heard.push(result))
  say(
    connection.client,
    helloFrame({ versions: VERSIONS, features: FEATURES, proof: proofOf(SHARED, world.bytes(64)), ...hello })
  )
  world.pass(5000)
  assert.deepEqual(codes(heard), ['WRONG_KEY'])
})

test('a client that says nothing is closed after its time', () => {
  const { world, connection, options } = setUp()
  const heard: unknown[] = []
  serverHandshake(options(connection.server), result => heard.push(result))
  world.pass(999)
  assert.equal(heard.length, 0)
  world.pass(2)
  assert.deepEqual(codes(heard), ['HANDSHAKE_TIMEOUT'])
  world.pass(100)
  assert.ok(connection.client.gone && connection.server.gone)
})

test('a peer that sends messages without end before the first that counts is closed', () => {
  for (const role of ['server', 'client'] as const) {
    for (const message of [b4a.alloc(0), b4a.from([1, 0xff])]) {
      const { world, connection, options } = setUp()
      const heard: unknown[] = []
      const done = (result: unknown): void => void heard.push(result)
      if (role === 'server') serverHandshake(options(connection.server), done)
      else clientHandshake(options(connection.client), hello, done)
      const peer = role === 'server' ? connection.client : connection.server
      for (let i = 0; i < 16; i++) say(peer, message)
      world.pass(100)
      assert.deepEqual(heard, [])
      say(peer, message)
      world.pass(100)
      assert.deepEqual(codes(heard), ['PROTOCOL_ERROR'])
    }
  }
})

/** What a peer of other versions says after its proof is no business of ours. */
const foreign = (type: number, range: readonly [number, number], ...start: Uint8Array[]): Uint8Array => {
  const body = b4a.concat([b4a.from([type, ...range]), ...start, b4a.alloc(9, 255)])
  return b4a.concat([b4a.from([body.byteLength]), body])
}

test('a client of later versions alone is rejected with VERSION_MISMATCH, which says what to update', () => {
  const { world, connection, handshakeHash, options } = setUp()
  const results: (Hello | HyperNatError)[] = []
  serverHandshake(options(connection.server), result => results.push(result))
  say(connection.client, foreign(FRAME.HELLO, [2, 3], proofOf(SHARED, handshakeHash)))
  world.pass(100)
  assert.deepEqual(codes(results), ['VERSION_MISMATCH'])
  assert.match(
    (results[0] as HyperNatError).message,
    /versions 2 to 3.*version 1\. Update hyper-nat on the server\./
  )
})

test('a client that cannot prove that it knows the key learns nothing about versions', () => {
  const { world, connection, options } = setUp()
  const results: unknown[] = []
  serverHandshake(options(connection.server), result => results.push(result))
  say(connection.client, foreign(FRAME.HELLO, [2, 3], world.bytes(32)))
  world.pass(100)
  assert.deepEqual(codes(results), ['WRONG_KEY'])
  const [type, code] = connection.server.written[0]!.subarray(1)
  assert.deepEqual([type, code], [FRAME.CLOSE, closeNumber('WRONG_KEY')])
})

test('a server of later versions alone: the client says what to update', () => {
  const { world, connection, options } = setUp()
  const results: unknown[] = []
  clientHandshake(options(connection.client), hello, result => results.push(result))
  say(connection.server, foreign(FRAME.WELCOME, [2, 2]))
  world.pass(100)
  assert.deepEqual(codes(results), ['VERSION_MISMATCH'])
  assert.match((results[0] as HyperNatError).message, /Update hyper-nat here\./)
})

/** A frame of less than 128 bytes, with an optional field of type 77 at its end. */
function withField(frame: Uint8Array): Uint8Array {
  const field = b4a.concat([b4a.from([77, 5]), b4a.from('later')])
  return b4a.concat([b4a.from([frame[0]! + field.byteLength]), frame.subarray(1), field])
}

test('a newer peer whose versions overlap is understood, and what it adds is ignored', () => {
  const newer = {
    versions: { lowest: 1, highest: 7 },
    features: 2 ** 40 + FEATURES
  }
  const { world, connection, handshakeHash, options } = setUp()
  const hellos: (Hello | HyperNatError)[] = []
  serverHandshake(options(connection.server), result => hellos.push(result))
  const proof = proofOf(SHARED, handshakeHash)
  say(connection.client, withField(helloFrame({ ...hello, ...newer, proof })))
  world.pass(100)
  assert.deepEqual(codes(hellos), ['greeted'])
  assert.equal((hellos[0] as Hello).features & FEATURES, FEATURES)
  const other = setUp()
  const welcomes: unknown[] = []
  clientHandshake(other.options(other.connection.client), hello, result => welcomes.push(result))
  say(other.connection.server, withField(welcomeFrame({ ...welcome, ...newer })))
  other.world.pass(100)
  assert.deepEqual(codes(welcomes), ['greeted'])
})

const OUT_OF_TURN: readonly [string, Uint8Array][] = [
  ['a reset', resetFrame(1, 'FLOW_RESET')],
  ['an open', openFrame(1, 1, 1)],
  ['garbage', b4a.from('ffff', 'hex')],
  ['a welcome', welcomeFrame(welcome)]
]

for (const [name, frame] of OUT_OF_TURN) {
  test(`${name} as a client's first words ends the connection`, () => {
    const { world, connection, options } = setUp()
    const heard: unknown[] = []
    serverHandshake(options(connection.server), result => heard.push(result))
    say(connection.client, frame)
    world.pass(100)
    assert.deepEqual(codes(heard), ['PROTOCOL_ERROR'])
    assert.ok(connection.client.gone)
  })
}

test('what a server says for closing reaches the client', () => {
  for (const code of ['TOO_MANY_SESSIONS', 'GOODBYE', 'WRONG_KEY'] as ErrorCode[]) {
    const { world, connection, options } = setUp()
    const answers: (Welcome | HyperNatError)[] = []
    clientHandshake(options(connection.client), hello, result => answers.push(result))
    say(connection.server, closeFrame(code, 'as it is'))
    world.pass(100)
    assert.deepEqual(codes(answers), [code])
    assert.equal((answers[0] as HyperNatError).message, 'as it is')
  }
})

test('the result is reported once, whatever comes after it', () => {
  const { world, connection, options } = setUp()
  const answers: unknown[] = []
  const giveUp = clientHandshake(options(connection.client), hello, result => answers.push(result))
  say(connection.server, welcomeFrame(welcome))
  say(connection.server, welcomeFrame(welcome))
  world.pass(100)
  giveUp()
  connection.die()
  world.pass(5000)
  assert.deepEqual(codes(answers), ['greeted'])
})

test('a connection that dies, and one that is given up', () => {
  for (const [end, code] of [
    ['die', 'CONNECTION_LOST'],
    ['give up', 'CLOSED']
  ]) {
    const { world, connection, options } = setUp()
    const answers: unknown[] = []
    const giveUp = clientHandshake(options(connection.client), hello, result => answers.push(result))
    if (end === 'die') connection.die()
    else giveUp()
    world.pass(5000)
    assert.deepEqual(codes(answers), [code])
    assert.ok(connection.client.gone)
  }
})

test('a client that gives up, or waits too long, sends no CLOSE: the session may have been resumed by then', () => {
  for (const code of ['CLOSED', 'HANDSHAKE_TIMEOUT']) {
    const { world, connection, options } = setUp()
    const { server } = connection
    const received: string[] = []
    serverHandshake(options(server), () => {
      server.events = {
        ...server.events,
        message: () => received.push('message'),
        close: () => received.push('close')
      }
    })
    const answers: unknown[] = []
    const giveUp = clientHandshake(options(connection.client), hello, result => answers.push(result))
    world.pass(100)
    if (code === 'CLOSED') giveUp()
    world.pass(5000)
    assert.deepEqual(codes(answers), [code])
    assert.deepEqual(received, ['close'])
  }
})

test('a client does not go on with a session that it did not ask for', () => {
  const resumed = { highest: 0, flows: [] }
  const session = b4a.alloc(16, 5)
  for (const resume of [null, { session, highest: 0, flows: [] }]) {
    const { world, connection, options } = setUp()
    const answers: unknown[] = []
    clientHandshake(options(connection.client), { ...hello, resume }, result => answers.push(result))
    say(connection.server, welcomeFrame({ ...welcome, session: b4a.alloc(16, 6), resumed }))
    world.pass(100)
    assert.deepEqual(codes(answers), ['PROTOCOL_ERROR'])
  }
})

test('frames that stand in one message with a HELLO are not lost in silence', () => {
  const { world, connection, handshakeHash, options } = setUp()
  const heard: unknown[] = []
  serverHandshake(options(connection.server), result => heard.push(result))
  const frame = helloFrame({
    versions: VERSIONS,
    features: FEATURES,
    proof: proofOf(SHARED, handshakeHash),
    ...hello
  })
  say(connection.client, frame, openFrame(1, 1, 1))
  world.pass(100)
  // SPEC: a frame out of its turn is a PROTOCOL_ERROR.
  assert.ok(connection.client.gone, 'the connection lives on without the frame')
})

test('a fault of ours in the callback is not swallowed', () => {
  const { world, connection, options } = setUp()
  clientHandshake(options(connection.client), hello, () => {
    throw new TypeError('a fault of ours')
  })
  say(connection.server, welcomeFrame(welcome))
  assert.throws(() => world.pass(100), TypeError)
})
