// Streams and payloads over the control socket: however they are cut, however they end.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ControlDatagrams, ControlStream, joinFlow } from '../../../src/control/blocks.js'
import { LineReader } from '../../../src/control/lines.js'
import { HyperNatError } from '../../../src/errors.js'
import type { ByteFlow, ByteFlowEvents } from '../../../src/flows/byte-flow.js'
import { DatagramFlow, FlowStream, flowError } from '../../../src/sockets/flow-stream.js'
import { within } from '../../support/deadline.js'

/** A connection, as the control socket has it. */
async function pair(t: TestContext): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const here = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
  const [there] = (await once(server, 'connection')) as [net.Socket]
  server.close()
  for (const socket of [here, there]) {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
  }
  return [here, there]
}

/** All that comes; unlike `buffer`, it leaves the other direction open. */
async function all(stream: ControlStream): Promise<Buffer> {
  const parts: Buffer[] = []
  stream.on('data', part => parts.push(part))
  await once(stream, 'end')
  return Buffer.concat(parts)
}

/** Two streams over one connection. */
async function streams(
  t: TestContext
): Promise<{ here: ControlStream; there: ControlStream; raw: net.Socket[] }> {
  const raw = await pair(t)
  const [here, there] = raw.map(socket => {
    const stream = new ControlStream(socket)
    socket.on('data', stream.receive)
    stream.on('error', () => {})
    return stream
  }) as [ControlStream, ControlStream]
  return { here, there, raw }
}

test('bytes arrive as they are, each direction ends by itself, and then the connection is gone', async t => {
  const { here, there, raw } = await streams(t)
  const sent = randomBytes(5_000_000)
  const [got, back] = [all(there), all(here)]
  here.end(sent)
  assert.ok((await got).equals(sent))
  there.write('and ')
  there.end('back')
  assert.equal(String(await back), 'and back')
  await within(
    5000,
    Promise.all(raw.map(socket => socket.destroyed || once(socket, 'close'))),
    () => 'the end'
  )
})

test('a failure comes with its code, behind what was said before', async t => {
  const { here, there } = await streams(t)
  const heard: Buffer[] = []
  there.on('data', bytes => heard.push(bytes))
  here.write('last words')
  here.fail(flowError('TARGET_REFUSED'))
  const [err] = await once(there, 'error')
  assert.ok(err instanceof HyperNatError)
  assert.deepEqual([err.code, err.message], ['TARGET_REFUSED', flowError('TARGET_REFUSED').message])
  assert.equal(Buffer.concat(heard).toString(), 'last words')
})

test('a failure arrives while the other side is writing', async t => {
  const { here, there } = await streams(t)
  const write = (): void => {
    while (!there.destroyed && there.write(Buffer.alloc(100_000)));
  }
  there.on('drain', write)
  write()
  here.fail(flowError('FLOW_RESET'))
  const [err] = await once(there, 'error')
  assert.equal(err.code, 'FLOW_RESET')
})

test('a connection that ends early has failed', async t => {
  const { here, there } = await streams(t)
  there.destroy()
  const [err] = await once(here, 'error')
  assert.equal(err.code, 'CONTROL_FAILED')
})

test('so has one that ends before the end of this side is out', async t => {
  const { here, there, raw } = await streams(t)
  here.resume()
  there.end()
  await once(here, 'end')
  // As when the other side takes no more.
  raw[0]!.cork()
  here.end()
  await turn()
  raw[0]!.destroy()
  const [err] = await once(here, 'error')
  assert.equal(err.code, 'CONTROL_FAILED')
})

test('a reader that does not read makes the writer wait', async t => {
  const { here, there } = await streams(t)
  there.pause()
  let taken = 0
  const block = Buffer.alloc(1 << 20)
  while (here.write(block, () => taken++) || taken === here.writableLength) await once(here, 'drain')
  // What systems keep for a socket is far below this.
  const more = Array.from({ length: 64 }, () => here.write(block))
  assert.ok(more.every(room => !room))
  assert.ok(here.writableLength > 32 << 20, `${here.writableLength} bytes wait here`)
})

test('blocks are read however their bytes are cut; nonsense is a coded failure', async t => {
  const bytes = Buffer.concat([
    Buffer.from([0, 0, 0, 3]),
    Buffer.from('abc'),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0, 0, 0, 2]),
    Buffer.from('de'),
    Buffer.from([1, 0, 0, 0])
  ])
  for (let size = 1; size <= bytes.length; size++) {
    const [, socket] = await pair(t)
    const stream = new ControlStream(socket)
    for (let at = 0; at < bytes.length; at += size) stream.receive(bytes.subarray(at, at + size))
    assert.equal(String(await buffer(stream)), 'abcde', `in pieces of ${size}`)
    stream.destroy()
  }
  for (const nonsense of [
    [9, 0, 0, 0],
    [2, 255, 255, 255],
    [2, 0, 0, 1, 120]
  ]) {
    const [, socket] = await pair(t)
    const stream = new ControlStream(socket)
    const failed = once(stream, 'error')
    stream.receive(Buffer.from(nonsense))
    assert.equal((await failed)[0].code, 'CONTROL_FAILED')
  }
})

test('payloads arrive whole, of any size that UDP has; a larger one is a failure', async t => {
  const [a, b] = await pair(t)
  const [here, there] = [new ControlDatagrams(a), new ControlDatagrams(b)]
  a.on('data', here.receive)
  b.on('data', there.receive)
  const sizes = [0, 1, 1200, 65_507, 0, 9]
  const got: number[] = []
  const all = new Promise<void>(resolve => {
    there.on('message', payload => got.push(payload.byteLength) === sizes.length && resolve())
  })
  for (const size of sizes) here.send(Buffer.alloc(size))
  await within(5000, all, () => `payloads, got ${got}`)
  assert.deepEqual(got, sizes)
  here.send(Buffer.alloc(65_508))
  const [err] = await once(there, 'close')
  assert.equal((err as HyperNatError).code, 'CONTROL_FAILED')
})

/** A flow that keeps what is written and fails when it is told to. */
class Recorder implements ByteFlow {
  readonly id = 1
  readonly map = 1
  events!: ByteFlowEvents
  readonly heard: string[] = []
  write(bytes: Uint8Array): boolean {
    this.heard.push(Buffer.from(bytes).toString())
    return true
  }
  end(): void {
    this.heard.push('end')
    this.events.finish?.()
  }
  reset(code: string): void {
    this.heard.push(`reset ${code}`)
  }
  consumed(): void {}
}

const nobody = () => ({ publicKey: '', name: undefined, path: null })

test('a flow of the daemon ends, fails and is reset as its asker has it', async t => {
  const start = async () => {
    const [a, b] = await pair(t)
    const flow = new Recorder()
    const stream = new FlowStream(nobody)
    stream.join(flow)
    b.on('data', joinFlow(b, stream))
    const asker = new ControlStream(a)
    a.on('data', asker.receive)
    stream.on('error', () => {})
    const closed = new Promise<void>(resolve => void stream.once('close', resolve))
    return { flow, stream, asker, closed }
  }
  const clean = await start()
  clean.asker.end('hello')
  clean.flow.events.data(Buffer.from('answer'))
  clean.flow.events.end()
  assert.equal(String(await all(clean.asker)), 'answer')
  await clean.closed
  assert.deepEqual(clean.flow.heard, ['hello', 'end'])

  const failed = await start()
  failed.flow.events.reset('TARGET_REFUSED')
  assert.equal((await once(failed.asker, 'error'))[0].code, 'TARGET_REFUSED')

  const left = await start()
  left.asker.on('error', () => {})
  left.asker.write('half')
  left.asker.destroy()
  await left.closed
  assert.equal(left.flow.heard.at(-1), 'reset FLOW_RESET')
})

test('a UDP flow ends with its asker, and the other way round', async t => {
  for (const who of ['asker', 'flow'] as const) {
    const [a, b] = await pair(t)
    const sent: string[] = []
    let closed = (): void => {}
    const gone = new Promise<void>(resolve => {
      closed = resolve
    })
    const flow = new DatagramFlow({
      remote: nobody,
      send: payload => {
        sent.push(Buffer.from(payload).toString())
        flow.receive(Buffer.from('pong'))
      },
      close: () => closed()
    })
    b.on('data', joinFlow(b, flow))
    const asker = new ControlDatagrams(a)
    a.on('data', asker.receive)
    asker.send(Buffer.from('ping'))
    assert.equal(String((await once(asker, 'message'))[0]), 'pong')
    assert.deepEqual(sent, ['ping'])
    const over = once(asker, 'close')
    if (who === 'asker') asker.close()
    else flow.close()
    await over
    await gone
  }
})

test('behind the last line, bytes are given as they are, however they are cut', () => {
  const text = Buffer.from('{"a":1}\nrest\nof it')
  for (let size = 1; size <= text.length; size++) {
    const rest: Uint8Array[] = []
    const reader: LineReader = new LineReader(
      10,
      () => reader.detach(bytes => rest.push(bytes)),
      () => assert.fail('no line is long')
    )
    for (let at = 0; at < text.length; at += size) reader.push(text.subarray(at, at + size))
    assert.equal(Buffer.concat(rest).toString(), 'rest\nof it', `in pieces of ${size}`)
  }
})
