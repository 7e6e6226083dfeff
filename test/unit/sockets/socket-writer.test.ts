/** What a local socket is told when its flow ends or is reset. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type net from 'node:net'
import { type TestContext, test } from 'node:test'
import { reset, SocketWriter } from '../../../src/sockets/socket-writer.js'
import { within } from '../../support/deadline.js'
import { tcpPair } from '../../support/tcp-pair.js'

async function connection(t: TestContext): Promise<{ ours: net.Socket; program: net.Socket }> {
  const pair = await tcpPair(t)
  pair.ours.on('error', () => {})
  return pair
}

/** What the program hears of the end of its connection: the bytes before it, and `end` or an error's code. */
async function heardBy(program: net.Socket): Promise<{ bytes: number; last: string }> {
  let bytes = 0
  program.on('data', data => {
    bytes += data.length
  })
  program.on('error', () => {})
  const last = await within(
    10_000,
    Promise.race([
      once(program, 'end').then(() => 'end'),
      new Promise<string>(resolve =>
        program.once('error', err => resolve((err as NodeJS.ErrnoException).code!))
      )
    ]),
    () => `an end after ${bytes} bytes`
  )
  return { bytes, last }
}

const closed = (socket: net.Socket) => within(10_000, once(socket, 'close'), () => 'our socket to be closed')

test('an end arrives behind all bytes', async t => {
  const { ours, program } = await connection(t)
  const writer = new SocketWriter(ours, () => {})
  // More than the system takes at once.
  for (let i = 0; i < 100; i++) writer.write(Buffer.alloc(100_000))
  writer.end()
  assert.deepEqual(await heardBy(program), { bytes: 10_000_000, last: 'end' })
})

for (const [name, act] of [
  ['at once', (writer: SocketWriter) => writer.reset()],
  ['by the owner of the socket', (_spill: SocketWriter, ours: net.Socket) => reset(ours)]
] as const) {
  test(`a socket that is reset while its end is being said is closed: ${name}`, async t => {
    const { ours, program } = await connection(t)
    const writer = new SocketWriter(ours, () => {})
    writer.write(Buffer.from('last words'))
    await new Promise(setImmediate)
    writer.end()
    assert.ok(ours.writableEnded && !ours.writableFinished, 'the end is being said')
    const released = closed(ours)
    act(writer, ours)
    await released
    assert.equal((await heardBy(program)).bytes, 10)
    // The program, which has said no end itself, learns that nobody listens.
    const gone = new Promise(resolve => program.once('close', resolve))
    if (!program.destroyed) program.write('x')
    await within(10_000, gone, () => 'the program to notice')
  })
}

test('what was said right before a reset is read', async t => {
  for (let i = 0; i < 10; i++) {
    const { ours, program } = await connection(t)
    const writer = new SocketWriter(ours, () => {})
    writer.write(Buffer.alloc(300_000))
    writer.reset()
    assert.equal((await heardBy(program)).bytes, 300_000)
  }
})

test('a program that reads nothing is reset after a while, though an end waits behind its bytes', async t => {
  const { ours, program } = await connection(t)
  program.pause()
  const writer = new SocketWriter(ours, () => {})
  for (let i = 0; i < 200; i++) writer.write(Buffer.alloc(100_000))
  writer.end()
  const gone = closed(ours)
  writer.reset()
  await gone
  // How a program hears of it depends on the program: those on libuv take it for an end.
  const { bytes } = await heardBy(program.resume())
  assert.ok(bytes < 20_000_000)
})
