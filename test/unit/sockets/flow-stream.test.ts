import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ErrorCode } from '../../../src/errors.js'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from '../../../src/flows/byte-flow.js'
import { DatagramFlow, FlowStream } from '../../../src/sockets/flow-stream.js'

/** A flow that notes what it is told. */
class FakeFlow implements ByteFlow {
  readonly id = 1
  readonly map = 1
  events: ByteFlowEvents = ignoreEvents
  readonly written: Uint8Array[] = []
  taken = 0
  ended = false
  resetWith: ErrorCode | null = null
  hasRoom = true
  /** Whether the other side acknowledges the end at once. */
  acknowledges = true

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes)
    return this.hasRoom
  }

  end(): void {
    this.ended = true
    if (this.acknowledges) this.events.finish?.()
  }

  reset(code: ErrorCode): void {
    this.resetWith = code
  }

  consumed(size: number): void {
    this.taken += size
  }
}

const remote = () => ({ publicKey: 'k', name: undefined, path: null })

function joined(): { flow: FakeFlow; stream: FlowStream } {
  const flow = new FakeFlow()
  const stream = new FlowStream(remote)
  stream.join(flow)
  return { flow, stream }
}

const textOf = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString()

test('what is written before there is a flow goes out with it, and so does the end', async () => {
  const flow = new FakeFlow()
  const stream = new FlowStream(remote)
  stream.write('one ')
  stream.end('two')
  await turn()
  assert.equal(flow.written.length, 0)
  stream.join(flow)
  await once(stream, 'finish')
  assert.equal(textOf(flow.written), 'one two')
  assert.equal(flow.ended, true)
})

test('a stream has finished when the other side has all of it; one that is reset before has failed', async () => {
  for (const over of ['finish', 'close'] as const) {
    const { flow, stream } = joined()
    flow.acknowledges = false
    stream.end('all')
    await turn()
    assert.deepEqual([flow.ended, stream.writableFinished], [true, false])
    flow.events[over]?.()
    await once(stream, 'finish')
  }
  const { flow, stream } = joined()
  flow.acknowledges = false
  stream.end('part')
  await turn()
  flow.events.reset('SESSION_EXPIRED')
  const [err] = await once(stream, 'error')
  assert.equal(err.code, 'SESSION_EXPIRED')
})

test('a flow without room holds up the next write until it drains', async () => {
  const { flow, stream } = joined()
  flow.hasRoom = false
  stream.write('one ')
  stream.write('two')
  await turn()
  assert.equal(textOf(flow.written), 'one ')
  flow.hasRoom = true
  flow.events.drain()
  await turn()
  assert.equal(textOf(flow.written), 'one two')
})

test('the window opens as fast as the reader reads, and bytes stay valid for it', async () => {
  const { flow, stream } = joined()
  // As the ARQ does, one buffer for all.
  const ring = new Uint8Array(1000)
  for (let i = 0; i < 400; i++) {
    ring.fill(i)
    flow.events.data(ring)
  }
  const { readableHighWaterMark } = stream
  assert.ok(
    flow.taken <= readableHighWaterMark + 16 * 1024,
    `${flow.taken} bytes were consumed, and none was read`
  )
  flow.events.end()
  let read = 0
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    for (const byte of bytes) assert.equal(byte, Math.floor(read++ / 1000) % 256)
  }
  assert.equal(read, 400_000)
  assert.equal(flow.taken, 400_000)
})

test('a reader that makes more come from within gets all once, in order', () => {
  const { flow, stream } = joined()
  let text = ''
  let left = 5
  stream.on('data', bytes => {
    text += bytes
    if (left-- > 0) flow.events.data(Buffer.from(`${left}`))
  })
  stream.resume()
  flow.events.data(Buffer.from('x'))
  return turn().then(() => assert.equal(text, 'x43210'))
})

test('a reset is an error with its code; destroying is a reset, but not of what is over', async () => {
  const one = joined()
  const failed = once(one.stream, 'error')
  one.flow.events.reset('TARGET_REFUSED')
  assert.equal(((await failed)[0] as { code: string }).code, 'TARGET_REFUSED')

  const two = joined()
  two.stream.destroy()
  assert.equal(two.flow.resetWith, 'FLOW_RESET')

  // Without an error, which nobody may be listening for: it was closed here.
  const closed = joined()
  closed.flow.events.reset('CLOSED')
  await once(closed.stream, 'close')
  assert.equal(closed.stream.errored, null)

  const three = joined()
  three.stream.end()
  three.flow.events.end()
  three.stream.resume()
  await once(three.stream, 'close')
  assert.equal(three.flow.resetWith, null)
})

test('what the other side ended is read, though a reset follows before it is', async () => {
  const { flow, stream } = joined()
  flow.events.data(Buffer.alloc(100_000, 'x'))
  flow.events.data(Buffer.from('last words'))
  flow.events.end()
  flow.events.reset('FLOW_RESET')
  const failed = once(stream, 'error')
  let text = ''
  stream.on('data', bytes => (text += bytes))
  await once(stream, 'end')
  assert.equal(text, `${'x'.repeat(100_000)}last words`)
  assert.equal(((await failed)[0] as { code: string }).code, 'FLOW_RESET')

  // Without an end, what came is a part of something.
  const cut = joined()
  cut.flow.events.data(Buffer.from('half'))
  cut.flow.events.reset('FLOW_RESET')
  await once(cut.stream, 'error')
  assert.equal(cut.stream.readableEnded, false)
})

test('what the other side ended does not wait for a reader that never comes', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { flow, stream } = joined()
  flow.events.data(Buffer.from('unread'))
  flow.events.end()
  flow.events.reset('FLOW_RESET')
  await turn()
  assert.equal(stream.destroyed, false)
  const failed = once(stream, 'error')
  t.mock.timers.tick(10_000)
  assert.equal(((await failed)[0] as { code: string }).code, 'FLOW_RESET')
})

test('a stream that is destroyed before there is a flow resets the flow that comes', () => {
  const stream = new FlowStream(remote)
  stream.destroy()
  const flow = new FakeFlow()
  stream.join(flow)
  assert.equal(flow.resetWith, 'FLOW_RESET')
})

test('a timeout counts silence', async () => {
  const { stream } = joined()
  // The stream's own timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  let heard = false
  stream.setTimeout(5, () => {
    heard = true
  })
  await once(stream, 'timeout')
  clearInterval(alive)
  assert.equal(heard, true)
  stream.destroy()
})

test('a datagram flow that is closed sends and receives nothing, and is closed once', () => {
  const sent: Uint8Array[] = []
  let closed = 0
  const flow = new DatagramFlow({ remote, send: payload => void sent.push(payload), close: () => closed++ })
  const got: Buffer[] = []
  flow.on('message', payload => void got.push(payload))
  flow.send(Buffer.from('out'))
  flow.receive(Buffer.from('in'))
  flow.close()
  flow.close()
  flow.send(Buffer.from('late'))
  flow.receive(Buffer.from('late'))
  assert.deepEqual([textOf(sent), textOf(got), closed], ['out', 'in', 1])
})

/** What nobody caught during a call, in place of the end of the process. */
async function uncaught(call: () => void): Promise<unknown[]> {
  const all: unknown[] = []
  process.setUncaughtExceptionCaptureCallback(err => all.push(err))
  try {
    call()
    await turn()
  } finally {
    process.setUncaughtExceptionCaptureCallback(null)
  }
  return all
}

test("what a program's own listeners throw is its own mistake, and not the session's", async () => {
  const mistake = new Error('a mistake in a listener')
  const fail = (): never => {
    throw mistake
  }
  const { flow, stream } = joined()
  stream.on('data', fail)
  await turn()
  assert.deepEqual(await uncaught(() => flow.events.data(Buffer.from('x'))), [mistake])
  assert.equal(flow.taken, 1)
  flow.hasRoom = false
  stream.write('y', fail)
  assert.deepEqual(await uncaught(() => flow.events.drain()), [mistake])

  const datagrams = new DatagramFlow({ remote, send() {}, close() {} })
  datagrams.on('message', fail).on('close', fail)
  assert.deepEqual(await uncaught(() => datagrams.receive(Buffer.from('x'))), [mistake])
  assert.deepEqual(await uncaught(() => datagrams.close()), [mistake])
  assert.ok(datagrams.closed)
})

test('a stream whose signal has been aborted before ends by that', async () => {
  const stream = new FlowStream(remote, { signal: AbortSignal.abort() })
  const [err] = await once(stream, 'error')
  assert.equal(err.name, 'AbortError')
})
