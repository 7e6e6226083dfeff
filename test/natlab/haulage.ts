// The programs at both ends of a bad link, one process each:
//   haulage.js receive                            on a free TCP port, told on stdout
//   haulage.js send PORT COUNT UP DOWN            COUNT connections at once, UP bytes there and DOWN bytes back on each
// A connection begins with HEADER bytes that say what is to come. Its answer is DOWN bytes, then the hash of what came; both
// streams are ciphers of nothing, so that either end knows what the other must send. The sender prints what was wrong, as JSON.
import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { listenTcp } from '../support/servers.js'

const HEADER = 24
const HASH = 32
const BLOCK = 64 * 1024

const [mode, ...numbers] = process.argv.slice(2)
const [port = 0, count = 0, up = 0, down = 0] = numbers.map(Number)

if (mode === 'receive') await receive()
else if (mode === 'send') await sendAll()
else throw new Error(`no such mode: ${mode}`)

/** `size` bytes that nobody can guess without the two numbers. */
function* goods(connection: number, way: number, size: number): Generator<Buffer> {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(connection)
  key.writeUInt32BE(way, 4)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const nothing = Buffer.alloc(BLOCK)
  for (let left = size; left > 0; left -= BLOCK)
    yield cipher.update(nothing.subarray(0, Math.min(left, BLOCK)))
}

function hashOf(blocks: Iterable<Buffer>): Buffer {
  const hash = createHash('sha256')
  for (const block of blocks) hash.update(block)
  return hash.digest()
}

async function receive(): Promise<void> {
  const server = await listenTcp(
    socket => {
      socket.on('error', () => {})
      answer(socket).catch(err => {
        console.error(String(err))
        socket.resetAndDestroy()
      })
    },
    { host: '127.0.0.1' }
  )
  console.log(`port ${server.port}`)
}

async function answer(socket: net.Socket): Promise<void> {
  const hash = createHash('sha256')
  let header = Buffer.alloc(0)
  let sent: Promise<void> | undefined
  const send = async (connection: number, size: number) => {
    for (const block of goods(connection, 1, size)) if (!socket.write(block)) await once(socket, 'drain')
  }
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let rest = chunk
    if (!sent) {
      header = Buffer.concat([header, chunk])
      if (header.length < HEADER) continue
      rest = header.subarray(HEADER)
      sent = send(header.readUInt32BE(0), header.readDoubleBE(8))
      sent.catch(() => {})
    }
    hash.update(rest)
  }
  await sent
  socket.end(hash.digest())
}

async function sendAll(): Promise<void> {
  const faults: string[] = []
  await Promise.all(
    Array.from({ length: count }, (_, connection) =>
      send(connection).catch(err => void faults.push(`connection ${connection}: ${err.message}`))
    )
  )
  console.log(JSON.stringify(faults))
}

async function send(connection: number): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const hash = createHash('sha256')
  let got = 0
  let tail = Buffer.alloc(0)
  const read = async () => {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const body = chunk.subarray(0, Math.max(0, down - got))
      hash.update(body)
      got += chunk.length
      if (body.length < chunk.length) tail = Buffer.concat([tail, chunk.subarray(body.length)])
    }
  }
  const header = Buffer.alloc(HEADER)
  header.writeUInt32BE(connection)
  header.writeDoubleBE(down, 8)
  const write = async () => {
    socket.write(header)
    for (const block of goods(connection, 0, up)) if (!socket.write(block)) await once(socket, 'drain')
    socket.end()
  }
  await Promise.all([read(), write()])
  if (got !== down + HASH) throw new Error(`${got} bytes came instead of ${down + HASH}`)
  if (!hash.digest().equals(hashOf(goods(connection, 1, down))))
    throw new Error('what came is not what was sent')
  if (!tail.equals(hashOf(goods(connection, 0, up)))) throw new Error('what arrived is not what was sent')
}
