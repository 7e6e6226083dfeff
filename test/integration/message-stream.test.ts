import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import { codeOf } from '../../src/errors.js'
import { LIMITS } from '../../src/limits.js'
import type { InPlaceStream } from '../../src/network/internals.js'
import { MessageBlocks, secretStreams } from '../../src/network/message-stream.js'
import { StreamLink } from '../../src/network/stream-link.js'
import { MAX_MESSAGE } from '../../src/wire/constants.js'
import { within } from '../support/deadline.js'
import { startTestnet } from '../support/testnet.js'

const testnet = await startTestnet(4)
after(() => testnet.close())

/** Two ends of a connection, and where the first has its blocks. */
async function connection(limits: { messageBlockBytes: number; messageBlocks: number }) {
  const nodes = [0, 1].map(() => new HyperDHT({ bootstrap: [...testnet.bootstrap] }))
  const [near, far] = nodes as [HyperDHT, HyperDHT]
  const blocks = new MessageBlocks(limits)
  const keyPair = HyperDHT.keyPair()
  let meet: (stream: SecretStream) => void = () => {}
  const met = new Promise<SecretStream>(resolve => {
    meet = resolve
  })
  const server = far.createServer({ createSecretStream: secretStreams(new MessageBlocks(limits)) }, stream =>
    // It is read from the start, as a link's is.
    meet(stream.on('data', () => {}))
  )
  await server.listen(keyPair)
  const stream = near.connect(keyPair.publicKey, { createSecretStream: secretStreams(blocks) })
  await once(stream, 'open')
  const other = await met
  for (const one of [stream, other]) one.on('error', () => {})
  const close = async () => {
    stream.destroy()
    other.destroy()
    await Promise.all(nodes.map(node => node.destroy()))
  }
  return { stream, other, blocks, close }
}

/** Writes messages, some of them in one turn of the event loop, and gives what came out at the other end, in order. */
async function carry(stream: SecretStream, other: SecretStream, messages: readonly Buffer[]) {
  const arrived: Buffer[] = []
  const all = new Promise<void>(resolve => {
    other.on('data', (message: Uint8Array) => {
      // What is written later must not change what has come.
      arrived.push(Buffer.from(message))
      if (arrived.length === messages.length) resolve()
    })
  })
  let inOneTurn = 0
  for (const message of messages) {
    const buffer = stream.alloc(message.byteLength)
    buffer.set(message)
    // What did not come from there is carried, too, and left as it was.
    stream.write(randomInt(8) > 0 ? buffer : message)
    if (inOneTurn-- > 0) continue
    inOneTurn = randomInt(5)
    // Not awaited: the next messages are built while these are on their way.
    void stream.flush()
    await turn()
  }
  await all
  return arrived
}

test('messages of all sizes arrive as they were written, though their blocks are used again', async () => {
  const { stream, other, blocks, close } = await connection(LIMITS)
  const sizes = [1, LIMITS.messageBlockBytes / 2, 65_536, LIMITS.messageBlockBytes, 100_000]
  const messages = [...sizes, ...Array.from({ length: 400 }, () => randomInt(1, 66_000))].map(size =>
    randomBytes(size)
  )
  try {
    const arrived = await carry(stream, other, messages)
    for (const [i, message] of messages.entries()) assert.ok(arrived[i]?.equals(message), `message ${i}`)
    await stream.flush()
    assert.ok(blocks.free > 0 && blocks.free <= LIMITS.messageBlocks, `${blocks.free} blocks are free`)
  } finally {
    await close()
  }
})

test('no more blocks are kept than the limit says', async () => {
  const limits = { messageBlockBytes: 8192, messageBlocks: 3 }
  const { stream, other, blocks, close } = await connection(limits)
  try {
    const messages = Array.from({ length: 50 }, () => randomBytes(6000))
    await carry(stream, other, messages)
    await stream.flush()
    assert.equal(blocks.free, limits.messageBlocks)
  } finally {
    await close()
  }
})

test('what was written to a connection that died is not used again', async () => {
  const { stream, other, blocks, close } = await connection(LIMITS)
  try {
    other.pause()
    const gone = once(stream, 'close')
    for (let i = 0; i < 20; i++) stream.write(stream.alloc(60_000))
    void stream.flush()
    stream.destroy()
    await gone
    assert.equal(blocks.free, 0)
  } finally {
    await close()
  }
})

test('a peer that announces a longer message than any is dropped before memory is allocated for it', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    const gone = new Promise<void>(resolve => void other.once('close', resolve))
    const memory = process.memoryUsage().arrayBuffers
    // Below the encryption, where only a hostile peer writes: a length of 16 MB less one, and as much as UDX collects before it
    // delivers a part of a message.
    const raw = stream.rawStream as unknown as { write(bytes: Uint8Array): void }
    raw.write(Buffer.concat([Buffer.from('ffffff', 'hex'), Buffer.alloc(80_000)]))
    await within(5000, gone, () => 'the end of the connection')
    assert.ok(process.memoryUsage().arrayBuffers - memory < 8 << 20)
  } finally {
    await close()
  }
})

test('the longest message that is ever sent passes', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    const [arrived] = await carry(stream, other, [randomBytes(MAX_MESSAGE)])
    assert.equal(arrived!.byteLength, MAX_MESSAGE)
  } finally {
    await close()
  }
})

test('empty messages are not swallowed, so that they come at a rate', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    const arrived: number[] = []
    other.on('data', (message: Uint8Array) => arrived.push(message.byteLength))
    for (let i = 0; i < 5; i++) stream.write(stream.alloc(0))
    stream.write(Buffer.from('last'))
    while (arrived.at(-1) !== 4) await within(5000, once(other, 'data'), () => `${arrived}`)
    assert.deepEqual(arrived, [0, 0, 0, 0, 0, 4])
  } finally {
    await close()
  }
})

test('tiny messages are read a few at a time, so that others get their turn, and before the end', async () => {
  const { stream, other, close } = await connection(LIMITS)
  const messages = Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i}`.padEnd(i % 40, 'x')))
  const half = messages.length / 2
  try {
    let [inTurn, most] = [0, 0]
    const arrived: Buffer[] = []
    const first = new Promise<void>(resolve => {
      other.on('data', (message: Uint8Array) => {
        if (inTurn++ === 0) setImmediate(() => (inTurn = 0))
        if (arrived.length < half) most = Math.max(most, inTurn)
        arrived.push(Buffer.from(message))
        if (arrived.length === half) resolve()
      })
    })
    const end = once(other, 'end')
    for (const message of messages.slice(0, half)) stream.write(message)
    const figures = () => `${arrived.length} of ${messages.length} messages`
    await within(20_000, first, figures)
    // Without a bound it is a read's worth, a thousand and more. Two turns of its own may fall into one that is counted.
    assert.ok(most <= 2 * 64, `${most} in one turn`)
    for (const message of messages.slice(half)) stream.write(message)
    stream.end()
    await within(20_000, end, figures)
    assert.equal(arrived.length, messages.length)
    for (const [i, message] of messages.entries()) assert.ok(arrived[i]?.equals(message), `message ${i}`)
  } finally {
    await close()
  }
})

test('a stream that is held decrypts nothing until it is released, or the other side ends it', async () => {
  const { stream, other, close } = await connection(LIMITS)
  const held = (other as InPlaceStream).pacer
  const arrived: string[] = []
  other.on('data', (message: Uint8Array) => arrived.push(Buffer.from(message).toString()))
  const write = (from: number, to: number): void => {
    for (let i = from; i < to; i++) stream.write(Buffer.from(`${i}`))
  }
  const numbers = (to: number) => Array.from({ length: to }, (_, i) => `${i}`)
  try {
    write(0, 1)
    await once(other, 'data')
    held.hold()
    write(1, 200)
    // What is acknowledged has come.
    await stream.flush()
    await turn()
    assert.deepEqual(arrived, numbers(1))
    held.release()
    while (arrived.length < 200) await within(5000, once(other, 'data'), () => `message ${arrived.length}`)

    held.hold()
    write(200, 400)
    await stream.flush()
    await turn()
    assert.deepEqual(arrived, numbers(200))
    other.on('data', () => held.hold())
    stream.end()
    await within(5000, once(other, 'end'), () => `the end, after ${arrived.length} messages`)
    assert.deepEqual(arrived, numbers(400))
  } finally {
    await close()
  }
})

test('short messages that are not read in time end the connection, long ones are read all the same', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    let bytes = 0
    other.on('data', (message: Uint8Array) => (bytes += message.byteLength))
    ;(other as InPlaceStream).pacer.hold()
    const long = randomBytes(16 * 1024)
    for (let i = 0; i < 256; i++) stream.write(Buffer.from(long))
    const some = new Promise<void>(resolve => other.on('data', () => bytes >= 2 << 20 && resolve()))
    await within(5000, some, () => `${bytes} bytes of long messages`)
    assert.ok((other as InPlaceStream).pacer.waitingBytes <= 1 << 20)

    const gone = new Promise<Error>(resolve => void other.once('error', resolve))
    for (let i = 0; i < 60_000; i++) stream.write(Buffer.from('short'))
    assert.equal(codeOf(await within(10_000, gone, () => 'the end of the connection')), 'TOO_FAST')
  } finally {
    await close()
  }
})

test('packets of a few bytes that a held stream keeps are few', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    ;(other as InPlaceStream).pacer.hold()
    const gone = new Promise<Error>(resolve => void other.once('error', resolve))
    // Below the encryption, where only a hostile peer writes: messages of no bytes, each in a packet of its own.
    const raw = stream.rawStream as unknown as { write(bytes: Uint8Array): void; flush(): Promise<boolean> }
    let packets = 0
    for (; packets < 6000 && !other.destroying; packets++) {
      raw.write(Buffer.alloc(3))
      await raw.flush()
    }
    assert.ok(packets > 4000 && packets < 6000, `${packets} packets are kept`)
    assert.equal(codeOf(await gone), 'TOO_FAST')
  } finally {
    await close()
  }
})

test('what is sent to a link that is over is not decrypted', async () => {
  const { stream, other, close } = await connection(LIMITS)
  try {
    const link = new StreamLink(other, LIMITS)
    let read = 0
    other.on('data', () => read++)
    stream.write(Buffer.from('before'))
    await within(5000, once(other, 'data'), () => 'a message before the end')
    // A hostile peer that hears the end, and goes on.
    stream.removeAllListeners('end')
    link.close()
    await once(stream, 'end')
    for (let i = 0; i < 500; i++) stream.write(Buffer.from('after'))
    await stream.flush()
    await turn()
    assert.equal(read, 1)
    const gone = once(other, 'close')
    stream.end()
    await within(5000, gone, () => 'the end of the connection')
  } finally {
    await close()
  }
})
