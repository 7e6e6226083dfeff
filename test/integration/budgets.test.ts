// A guest who is let in, and uses as much of its host as it can: the host's memory and descriptors stay bounded, come back when it
// has left, and another guest is served all the while. The limits of the process > of one key > of one session > of one flow.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../../src/limits.js'
import type { Attack } from '../support/attacks.js'
import { connectTcp } from '../support/clients.js'
import { pause, until, within } from '../support/deadline.js'
import { cpuSeconds, isLinux, residentBytes } from '../support/machine.js'
import { Process } from '../support/process.js'
import { bindUdp, listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

const MB = 1 << 20
const LONG = process.env.HYPER_NAT_FLOOD_LONG === '1'
const ATTACK_MS = LONG ? 30_000 : 6000
const GROWTH_BYTES = 96 * MB
/** How much of that stays when the attacker has left; in short runs a little more, for the code that they have just compiled. */
const REST_BYTES = (LONG ? 32 : 48) * MB
const REST_MS = 30_000
/** What an answer beside it may take on a machine that does much else. */
const PING_MS = 20_000
/** New flows at once and at their rate, as long as the attack lasts. */
const MOST_UDP_FLOWS = LIMITS.udpFlowBurst + (LIMITS.udpFlowsPerSecond * ATTACK_MS * 2) / 1000
/** What the system lets the host have open. */
const DESCRIPTORS = 400
const RESERVED = 32

const attacks = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'attacks.js')

/** Programs that accept connections, in processes of their own: one reads nothing, the other sends without end. */
const LISTENING = ".listen(0, '127.0.0.1', function () { console.log('port', this.address().port) })"
const DEAF = `require('node:net').createServer({ pauseOnConnect: true }, socket => socket.on('error', () => {}))${LISTENING}`
const CHATTY = `
  require('node:os').setPriority(19)
  const piece = Buffer.alloc(65536)
  require('node:net').createServer(socket => {
    const more = () => { while (!socket.destroyed && socket.write(piece)); }
    socket.on('error', () => {}).on('drain', more)
    more()
  })${LISTENING}`

/** A name that the system looks for without end. */
const UNKNOWN = 'unknown.invalid'
const RESOLVER = `
  import dns from 'node:dns/promises'
  const { lookup } = dns
  dns.lookup = (host, ...rest) => (host === '${UNKNOWN}' ? new Promise(() => {}) : lookup(host, ...rest))`

const KINDS = ['udp-flows', 'unresolved', 'unread', 'untaken', 'gapped', 'fragments'] as const
/** Those that take long to show anything. */
const MORE_KINDS = ['segments', 'pings', 'windows', 'ends', 'lingering', 'answers', 'stopped'] as const

for (const kind of [...KINDS, ...(LONG ? MORE_KINDS : [])] satisfies readonly Attack[]) {
  staged(
    `${kind}: what one guest uses is bounded, and another guest is served`,
    async stage => {
      const { bootstrap } = await stage.testnet()
      const echo = await stage.use(listenTcpEcho())
      const udp = await stage.use(bindUdp(() => {}))
      const program = async (source: string): Promise<number> => {
        const child = new Process(process.execPath, ['-e', source])
        stage.defer(() => child.stop())
        return Number((await child.says(/port (\d+)/))[1])
      }
      const [deaf, chatty] = [await program(DEAF), await program(CHATTY)]
      const shares = [
        { proto: 'tcp', port: echo.port },
        { proto: 'tcp', port: deaf },
        { proto: 'tcp', port: chatty },
        { proto: 'udp', port: udp.port },
        { proto: 'udp', port: 9, host: UNKNOWN }
      ]
      const serverEnv = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(RESOLVER)}` }
      const { server, publicKey, localPort } = await stage.tunnel(shares, { serverEnv })
      const memory = (): number => (isLinux ? residentBytes(server.pid) : 0)
      const open = (): number => (isLinux ? readdirSync(`/proc/${server.pid}/fd`).length : 0)
      const socket = await connectTcp(await localPort('tcp', echo.port))
      socket.setNoDelay(true)
      stage.defer(() => socket.destroy())
      const times: number[] = []
      const ping = async (): Promise<void> => {
        const asked = performance.now()
        const answer = once(socket, 'data')
        socket.write('ping')
        await within(PING_MS, answer, () => `an answer beside the attack: ${figures()}`)
        times.push(performance.now() - asked)
      }
      for (let i = 0; i < 200; i++) await ping()
      const quiet = p99(times.splice(0))
      const spent = (): number => (isLinux ? cpuSeconds(server.pid) : 0)
      const [memoryBefore, openBefore, spentBefore] = [memory(), open(), spent()]
      let [grown, opened] = [0, 0]
      const figures = (): string => {
        const now = ((memory() - memoryBefore) / MB).toFixed()
        return `${(grown / MB).toFixed()} MB and ${opened} descriptors more, now ${now} MB; p99 of ${times.length} pings ${p99(times).toFixed()} ms, quiet ${quiet.toFixed()} ms; ${(spent() - spentBefore).toFixed(1)} s of CPU`
      }
      const attacker = new Process(process.execPath, [attacks, kind, publicKey, bootstrap.join(',')])
      stage.defer(() => attacker.stop())
      await attacker.says(/"up"/, 30_000)
      const end = performance.now() + ATTACK_MS
      while (performance.now() < end) {
        await ping()
        grown = Math.max(grown, memory() - memoryBefore)
        opened = Math.max(opened, open() - openBefore)
        await pause(10)
      }
      attacker.kill('SIGKILL')
      await attacker.end()
      stage.t.diagnostic(figures())
      assert.ok(grown <= GROWTH_BYTES, figures())
      if (kind === 'udp-flows') assert.ok(opened <= MOST_UDP_FLOWS, figures())
      // It takes half a minute, so in short runs for the attack that leaves most.
      if (LONG || kind === 'untaken') {
        const left = performance.now()
        await until(REST_MS, 'memory to come back', () => memory() - memoryBefore <= REST_BYTES).catch(() =>
          assert.fail(figures())
        )
        stage.t.diagnostic(`${figures()} after ${((performance.now() - left) / 1000).toFixed()} s`)
      }
      await ping()
      if (LONG) assert.ok(p99(times) <= Math.max(2 * quiet, 10), figures())
    },
    { timeout: 120_000 }
  )
}

function p99(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}

staged('with too few descriptors to start, it says so in a sentence', async stage => {
  if (!isLinux) return stage.t.skip('limits a process with sh')
  for (const count of [40, 90]) {
    const prefix = ['sh', '-c', `ulimit -n ${count}; exec "$0" "$@"`]
    const program = stage.start(
      ['server', '-p', '1/tcp', '--secret', newSecret(), '--bootstrap', '127.0.0.1:9'],
      {
        prefix
      }
    )
    const { code, stderr } = await program.end(20_000)
    assert.equal(code, 1)
    assert.match(stderr, /^error TOO_FEW_DESCRIPTORS: .*ulimit -n.*\n$/)
  }
})

staged(
  'out of descriptors the guest who has most makes room, and the control socket answers',
  async stage => {
    if (!isLinux) return stage.t.skip('limits a process with sh')
    const echo = await stage.use(listenTcpEcho())
    const shares = [{ proto: 'tcp', port: echo.port }]
    const secret = 'a secret of this test, long enough'
    const folder = mkdtempSync(join(tmpdir(), 'hn-control-'))
    stage.defer(() => rmSync(folder, { recursive: true, force: true }))
    const env = { HYPER_NAT_CONTROL: folder }
    const server = await stage.daemon(
      shares.map(share => ({ mode: 'server', secret, ...share })),
      { limits: { tcpFlows: 1000 } },
      { name: 'server', env, prefix: ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`] }
    )
    const { publicKey } = await server.event('ready')
    const entry = [{ mode: 'client', publicKey, proto: 'tcp', port: echo.port, localPort: 0 }]
    const greedy = await stage.daemon(entry, {}, { name: 'greedy' })
    const modest = await stage.daemon(entry, {}, { name: 'modest' })
    await greedy.event('connected')
    await modest.event('connected')
    const port = await greedy.localPort('tcp', echo.port)
    for (let i = 0; i < 2 * DESCRIPTORS; i++) {
      // Those beyond what the server can open are reset, perhaps before they are connected.
      const socket = await connectTcp(port).catch(() => null)
      socket?.on('error', () => {})
      stage.defer(() => socket?.destroy())
    }
    const descriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length
    await until(20_000, 'most to be taken', () => descriptors() > DESCRIPTORS / 2)
    const mine = await Promise.all(
      Array.from({ length: 10 }, async () => connectTcp(await modest.localPort('tcp', echo.port)))
    )
    for (const socket of mine) {
      stage.defer(() => socket.destroy())
      const answer = once(socket, 'data')
      socket.write('ping')
      await within(10_000, answer, () => 'an answer to the modest guest')
    }
    assert.ok(descriptors() <= DESCRIPTORS - RESERVED, `${descriptors()} descriptors`)
    const status = await stage.start(['status', '--json'], { env }).end(20_000)
    assert.equal(status.code, 0, status.stderr)
  }
)
