// Somebody who shares ports, and sends more than its guests' programs have asked for.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyperNatError } from '../../src/errors.js'
import { childKeyPair } from '../../src/identity/child.js'
import { encodeKey } from '../../src/identity/encoding.js'
import { HyperNat } from '../../src/index.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { serverHandshake } from '../../src/session/handshake.js'
import { ServerSession } from '../../src/session/server-session.js'
import { systemClock } from '../../src/util/clock.js'
import { FEATURES, KEY_BYTES, SESSION_ID_BYTES, VERSIONS } from '../../src/wire/constants.js'
import { welcomeFrame } from '../../src/wire/frames.js'
import { connectTcp, UdpClient } from '../support/clients.js'
import { pause, until, within } from '../support/deadline.js'
import type { ServerFlood } from '../support/hostile-server.js'
import { freshKeys } from '../support/intruder.js'
import { cpuSeconds, isLinux, residentBytes } from '../support/machine.js'
import { Process } from '../support/process.js'
import { say } from '../support/say.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, serverEntries, staged } from '../support/stage.js'
import { noWire, Wire } from '../support/wire.js'

const MAPS = [
  { id: 1, proto: 'udp', port: 53 },
  { id: 2, proto: 'udp', port: 54 }
] as const

/** In all that the host sends, and in nothing else on this machine. */
const MARK = randomBytes(8).toString('hex')

/** Lets a guest in, and calls `udp` with what comes of it. */
function welcome(
  link: StreamLink,
  sharedKey: Uint8Array,
  udp: (session: ServerSession, map: number, flow: number) => void
): void {
  serverHandshake({ link, sharedKey, clock: systemClock, timeoutMs: 5000 }, hello => {
    if (hello instanceof HyperNatError) return
    const [id, sendKey] = [Buffer.alloc(SESSION_ID_BYTES, 1), Buffer.alloc(KEY_BYTES, 2)]
    const frame = welcomeFrame({
      versions: VERSIONS,
      features: FEATURES,
      session: id,
      host: Buffer.alloc(KEY_BYTES, 3),
      datagramKey: sendKey,
      maps: MAPS,
      resumed: null
    })
    say(link, frame)
    const session: ServerSession = new ServerSession(
      id,
      { clock: systemClock, limits: LIMITS, defer: fn => setImmediate(fn), chance: Math.random },
      {
        up() {},
        lost() {},
        ended() {},
        silent() {},
        open: () => 'MAP_NOT_SHARED',
        udp: (map, flow) => udp(session, map, flow)
      }
    )
    session.attach({
      link,
      sendKey,
      receiveKey: Buffer.from(hello.datagramKey),
      features: hello.features,
      resumed: null
    })
  })
}

staged(
  'of what a host sends, a program has the answers to itself, and nothing else is passed on',
  async stage => {
    const { bootstrap } = await stage.testnet()
    // The session is sealed: what shows is what left it.
    const wire = noWire() ? null : await stage.use(Wire.open())
    const keyPair = freshKeys()
    const node = await stage.use(new Node({ bootstrap, portMapping: false }, LIMITS, silentLog))
    const flows: number[] = []
    const flood = (session: ServerSession, _map: number, own: number): void => {
      flows.push(own)
      // To every flow that there is, that there was not, and to announcements, whatever the map.
      for (let flow = 0; flow < 40; flow++) {
        for (let map = 0; map < 4; map++) session.sendUdp(map, flow, Buffer.from(`${MARK} to ${flow}`))
      }
      session.sendUdp(1, own, Buffer.from('the end'))
    }
    const announced = await node.announce(
      childKeyPair(keyPair),
      link => welcome(link, keyPair.publicKey, flood),
      () => {}
    )
    stage.defer(() => announced.close())

    const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const opened = await guest.open({
      publicKey: encodeKey(keyPair.publicKey),
      maps: MAPS.map(({ proto, port }) => ({ proto, port, localPort: 0 }))
    })
    const programs: UdpClient[] = []
    for (const { localPort } of opened.maps) {
      const program = await stage.use(UdpClient.open(localPort))
      programs.push(program)
      await until(20_000, 'an answer', async () => {
        await program.send(Buffer.from('hello'))
        return program.got.some(data => data.toString() === 'the end')
      })
    }
    const own = [...new Set(flows)]
    assert.equal(own.length, 2)
    for (const [i, program] of programs.entries()) {
      const got = new Set(program.got.map(String))
      got.delete('the end')
      assert.deepEqual([...got], [`${MARK} to ${own[i]}`])
    }
    if (!wire) return
    const passedOn = () => {
      const plain = wire.packets.filter(({ payload }) => payload.includes(MARK))
      return new Set(plain.map(({ payload, port }) => `${payload} at ${port}`))
    }
    const answers = programs.map((program, i) => `${MARK} to ${own[i]} at ${program.localPort}`)
    await until(5000, 'the capture', () => answers.every(answer => passedOn().has(answer)))
    assert.deepEqual([...passedOn()].sort(), answers.sort())
  }
)

const MB = 1 << 20
const FLOOD_MS = 5000
/** An answer to a ping takes two bytes; and as much again for what else is sent. */
const ANSWERED_BYTES = ((LIMITS.datagramsPerSecond * FLOOD_MS) / 1000) * 4
/** What a flood may add to a client's memory. */
const GROWTH_BYTES = 96 * MB

for (const kind of ['maps', 'rosters', 'frames', 'pings'] as const satisfies readonly ServerFlood[]) {
  staged(`a host that floods its guest with ${kind} keeps it from no other host`, async stage => {
    const { bootstrap } = await stage.testnet()
    const echo = await stage.use(listenTcpEcho())
    const honest = await stage.daemon(serverEntries([{ proto: 'tcp', port: echo.port }], newSecret()))
    const { publicKey } = await honest.event('ready')
    const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'hostile-server.js')
    const hostile = new Process(process.execPath, [program, kind, bootstrap.join(',')])
    stage.defer(() => hostile.stop())
    const [, key = ''] = await hostile.says(/"key":"(\w+)"/, 30_000)
    const client = await stage.daemon([
      { mode: 'client', publicKey, proto: 'tcp', port: echo.port, localPort: 0 },
      { mode: 'client', publicKey: key, proto: 'tcp', port: 80, localPort: 0 }
    ])
    for (const one of [publicKey, key]) await client.event('connected', { where: e => e.publicKey === one })
    const socket = await connectTcp(await client.localPort('tcp', echo.port))
    socket.setNoDelay(true)
    stage.defer(() => socket.destroy())
    const memory = (): number => (isLinux ? residentBytes(client.pid) : 0)
    const spent = (): number => (isLinux ? cpuSeconds(client.pid) : 0)
    const [memoryBefore, spentBefore] = [memory(), spent()]
    const times: number[] = []
    let grown = 0
    const figures = (): string => {
      const sorted = [...times].sort((a, b) => a - b)
      const [p50, p99] = [0.5, 0.99].map(share => sorted[Math.floor(sorted.length * share)]?.toFixed(1))
      return `${(grown / MB).toFixed()} MB more; p50 ${p50}, p99 ${p99} ms of ${times.length} pings; ${(spent() - spentBefore).toFixed(1)} s of CPU`
    }
    hostile.input('on\n', false)
    for (const end = performance.now() + FLOOD_MS; performance.now() < end; await pause(5)) {
      const asked = performance.now()
      const answer = once(socket, 'data')
      socket.write('ping')
      await within(10_000, answer, () => `an answer of the other host: ${figures()}`)
      times.push(performance.now() - asked)
      grown = Math.max(grown, memory() - memoryBefore)
    }
    hostile.input('off\n', false)
    const [, sent = 0, answered = 0] = (await hostile.says(/"sent":(\d+),"received":(\d+)/, 30_000)).map(
      Number
    )
    const bytes = `${(sent / MB).toFixed()} MB sent, ${(answered / MB).toFixed(1)} MB of datagrams back`
    stage.t.diagnostic(`${figures()}; ${bytes}`)
    assert.ok(grown <= GROWTH_BYTES, figures())
    assert.ok(sent > MB, 'it was no flood')
    // It is held to what a guest may ask of a host.
    assert.ok(answered <= ANSWERED_BYTES, bytes)
    const isEnded = client.events.some(
      e => e.event === 'disconnected' && 'code' in e && e.code === 'TOO_FAST'
    )
    assert.equal(isEnded, kind === 'frames')
  })
}
