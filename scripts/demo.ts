// `npm run demo`: the main job of hyper-nat on one machine, with no internet. A DHT of our own, one daemon that shares two
// ports, another that opens them, and real bytes through both.
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { UdpClient } from '../test/support/clients.js'
import { within } from '../test/support/deadline.js'
import { HyperNat, writeOptions } from '../test/support/hyper-nat.js'
import { Random, sha256 } from '../test/support/random.js'
import { bindUdpEcho } from '../test/support/servers.js'
import { newSecret } from '../test/support/stage.js'
import { startTestnet } from '../test/support/testnet.js'
import { readFlags, tellNoRun } from './flags.js'

const PAGE_BYTES = 1_000_000
const DATAGRAM_BYTES = [0, 1, 200, 1400, 9000, 65507]

const started = performance.now()
const undo: { what: string; run: () => unknown }[] = []
const daemons: HyperNat[] = []
const interrupted = new AbortController()

process.on('SIGINT', () => interrupted.abort())
process.on('SIGTERM', () => interrupted.abort())

const flags = readFlags(
  () => parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }),
  'npm run demo -- [--keep]\n\n  --keep  leaves it running, to be tried, until Ctrl-C'
)
process.exitCode = 'values' in flags ? await main(flags.values.keep === true) : tellNoRun(flags)

async function main(keep: boolean): Promise<number> {
  let code = 0
  try {
    await Promise.race([show(keep), stopped()])
  } catch (err) {
    if (!interrupted.signal.aborted) {
      say(`FAILED: ${err instanceof Error ? err.message : err}`)
      for (const daemon of daemons) console.error(daemon.describe())
    }
    code = keep && interrupted.signal.aborted ? 0 : 1
  }
  return (await cleanUp()) ? code : 1
}

async function show(keep: boolean): Promise<void> {
  const random = new Random()
  const testnet = await startTestnet(4)
  undo.push({ what: 'the DHT', run: () => testnet.close() })
  say(`A DHT of 4 nodes runs in this process; its first node is ${testnet.bootstrap.join(', ')}.`)

  const page = htmlPage(random)
  const web = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': page.length }).end(page)
  })
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  undo.push({ what: 'the HTTP server', run: () => web.close() })
  const webPort = (web.address() as AddressInfo).port
  const echo = await bindUdpEcho()
  undo.push({ what: 'the UDP echo server', run: () => echo.close() })
  say(`An HTTP server listens on tcp ${webPort}, an echo server on udp ${echo.port}.`)

  const network = { bootstrap: testnet.bootstrap }
  const secret = newSecret()
  const server = startDaemon('server', {
    network,
    schema: [
      { mode: 'server', proto: 'tcp', port: webPort, host: '127.0.0.1', secret },
      { mode: 'server', proto: 'udp', port: echo.port, host: '127.0.0.1', secret }
    ]
  })
  const { publicKey } = await server.event('ready')
  say(`The server daemon (process ${server.pid}) shares both ports. Its public key: ${publicKey}`)

  const client = startDaemon('client', {
    network,
    schema: [
      { mode: 'client', proto: 'tcp', port: webPort, localPort: 0, publicKey },
      { mode: 'client', proto: 'udp', port: echo.port, localPort: 0, publicKey }
    ]
  })
  const localWeb = await client.localPort('tcp', webPort)
  const localEcho = await client.localPort('udp', echo.port)
  say(
    `The client daemon (process ${client.pid}) opened tcp ${localWeb} -> ${webPort}, udp ${localEcho} -> ${echo.port}.`
  )
  const { path } = await client.event('connected')
  say(`Connected, path: ${path}. From here on every byte goes through the encrypted session.`)

  await fetchPage(localWeb, page)
  await echoDatagrams(localEcho, random)
  if (keep) await stayUp(localWeb, localEcho, page)
}

function startDaemon(name: string, options: object): HyperNat {
  const written = writeOptions(options)
  undo.push({ what: 'the options file', run: () => written.remove() })
  const daemon = new HyperNat(['-c', written.file, '--json'], { name })
  daemons.push(daemon)
  undo.push({ what: `the ${name} daemon`, run: () => stopDaemon(daemon) })
  return daemon
}

async function stopDaemon(daemon: HyperNat): Promise<void> {
  const { code, signal } = await daemon.stop()
  // Windows ends a process without asking it.
  if (code !== 0 && process.platform !== 'win32') throw new Error(`it ended with ${code ?? signal}`)
}

async function fetchPage(port: number, page: Buffer): Promise<void> {
  const from = performance.now()
  const url = `http://127.0.0.1:${port}/`
  const body = await within(20_000, download(url), () => `the page ${url}`)
  const [wanted, got] = [sha256(page), sha256(body)]
  if (got !== wanted) throw new Error(`the page's SHA-256 should be ${wanted}, it is ${got}`)
  say(`Fetched ${url}: ${body.length} bytes in ${since(from)}, SHA-256 ${got.slice(0, 16)}.. as sent.`)
}

async function download(url: string): Promise<Buffer> {
  const request = get(url, { agent: false })
  const [response] = await once(request, 'response')
  return Buffer.concat(await response.toArray())
}

async function echoDatagrams(port: number, random: Random): Promise<void> {
  const program = await UdpClient.open(port)
  undo.push({ what: 'the UDP program', run: () => program.close() })
  for (const size of DATAGRAM_BYTES) {
    const from = performance.now()
    await program.echo(random.bytes(size))
    say(`Echoed a datagram of ${size} bytes in ${since(from)}.`)
  }
}

async function stayUp(localWeb: number, localEcho: number, page: Buffer): Promise<void> {
  say('Everything works, and stays up until you press Ctrl-C. Try, in another terminal:')
  console.log(`\n    curl http://127.0.0.1:${localWeb}/ | sha256sum    (${sha256(page)})`)
  console.log(`    nc -u 127.0.0.1 ${localEcho}    (what you type comes back)\n`)
  await Promise.race([stopped(), ...daemons.map(daemon => daemon.ended)])
  interrupted.signal.throwIfAborted()
  throw new Error('a daemon has ended')
}

/** Rejects at Ctrl-C. */
async function stopped(): Promise<never> {
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort')
  throw new Error('interrupted')
}

/** Takes everything down, the last made first; false when something resisted. */
async function cleanUp(): Promise<boolean> {
  let clean = true
  for (const { what, run } of undo.reverse()) {
    try {
      await run()
    } catch (err) {
      clean = false
      say(`Could not take down ${what}: ${err instanceof Error ? err.message : err}`)
    }
  }
  if (clean) say('Everything is taken down again.')
  return clean
}

function htmlPage(random: Random): Buffer {
  const head = '<!doctype html><title>hyper-nat demo</title><p>This page came through hyper-nat.</p><pre>\n'
  const text = random
    .bytes(PAGE_BYTES * 0.74)
    .toString('base64')
    .replace(/(.{76})/g, '$1\n')
  return Buffer.from(`${head}${text}</pre>\n`)
}

function say(text: string): void {
  console.log(`[${since(started).padStart(8)}] ${text}`)
}

function since(from: number): string {
  const ms = performance.now() - from
  return ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`
}
