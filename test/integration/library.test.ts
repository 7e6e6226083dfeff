// The library as another program uses it: its types, wrong arguments, and what is left behind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import {
  Daemon,
  decodeKey,
  decodeTicket,
  HyperNat,
  type HyperNatOptions,
  keyPairOf,
  type MapToShare,
  Relay,
  Secret
} from '../../src/index.js'
import { silentLog } from '../../src/log/log.js'
import { readOptionsFile } from '../../src/options/file.js'
import { writeOptions } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { newSecret, staged } from '../support/stage.js'
import { root } from '../unit/root.js'

const PROGRAM = `
import {
  addInvite,
  type BootstrapNodes,
  type ClientHandle,
  type ControlClient,
  type Daemon,
  type DiagnoseOptions,
  findDaemons,
  HyperNat,
  HyperNatError,
  type HyperNatOptions,
  type Lobby,
  type MetricsServer,
  type Options,
  OptionsError,
  type Relay,
  type RelayOptions,
  type ServerHandle,
  serverTicket,
  type Status
} from 'hyper-nat'

await using node = new HyperNat({ bootstrap: ['127.0.0.1:1'] })
await using shared: ServerHandle = await node.share({ secret: 's', maps: [{ proto: 'tcp', port: 1 }], private: true })
await using opened: ClientHandle = await node.open({ publicKey: shared.publicKey, maps: [] })
const { ticket } = shared.invite({ name: 'Anna' })
const rtt: number | null = await opened.ping()
const status: Status = node.status()
try {
  // @ts-expect-error a protocol that there is not
  shared.setMaps([{ proto: 'tpc', port: 1 }])
} catch (err) {
  if (err instanceof OptionsError) console.log(err.faults[0]?.path)
  else if (err instanceof HyperNatError) console.log(err.code)
}
console.log(ticket, rtt, status.servers.length)
const { signal } = new AbortController()
await using friend = await node.connect(ticket, { signal })
await using stream = friend.stream(1, { signal })
using flow = friend.datagrams('voice', { signal })
flow.on('message', payload => stream.write(payload))
export async function others(relay: Relay, nodes: BootstrapNodes, daemon: Daemon, metrics: MetricsServer, control: ControlClient) {
  await using parts = new AsyncDisposableStack()
  for (const part of [relay, nodes, daemon, metrics]) parts.use(part)
  using asked = control
  return asked.isOpen
}

// A library of its own names these types in its declarations, by what hyper-nat exports.
type Given = Required<HyperNatOptions>
export const logger = new HyperNat({ log: console })
export const targets = node.status().servers.map(server => server.maps)
export const states = targets.flat().map(map => map.target)
export const survey = await node.survey()
export const [byTcp, nat] = [survey.tcp, survey.nat.unknown]
export const parts = ({ log, trace, tcp }: Given) => [log, trace, tcp] as const
export const streamOptions = (...given: Parameters<ClientHandle['stream']>) => given[2]
export const read = ({ warnings, source, network: { relay } }: Options) => [warnings, source, relay] as const
export const discovery = (lobby: Lobby) => lobby.discovery
export const page = (daemon: Daemon) => daemon.page()
export const written = (...given: Parameters<typeof serverTicket>) => given[0]
export const invited = (...given: Parameters<typeof addInvite>) => addInvite(...given)
export const machine = (...given: Parameters<typeof findDaemons>) => given[1]
export const tcpLimits = (options: Required<RelayOptions>) => options.tcpLimits
export const examined = (options: Required<DiagnoseOptions>) => options.shared
`

staged('a strict program type-checks against the package as it is published', async stage => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-types-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8'
    })
  ) as [{ filename: string }]
  const modules = join(folder, 'node_modules')
  const installed = join(modules, 'hyper-nat')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, packed[0].filename), '-C', installed, '--strip-components=1'])
  // What npm would install beside it: the package's own dependencies, and the types of Node.js.
  const require = createRequire(import.meta.url)
  const { dependencies } = require(join(root, 'package.json')) as { dependencies: Record<string, string> }
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction')
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'program.ts'), PROGRAM)
  const options = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noEmit',
    '--declaration',
    '--skipLibCheck',
    'false'
  ]
  options.push('--target', 'ES2022', '--lib', 'ES2022,ESNext.Disposable', '--types', 'node')
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  for (const resolution of [
    ['--module', 'NodeNext'],
    ['--module', 'ESNext', '--moduleResolution', 'bundler']
  ]) {
    const { code, stdout } = await runProgram(
      process.execPath,
      [tsc, ...options, ...resolution, 'program.ts'],
      { cwd: folder }
    )
    assert.equal(code, 0, stdout)
  }
})

const MAP: Readonly<Pick<MapToShare, 'proto' | 'port'>> = { proto: 'tcp', port: 3000 }

staged(
  'wrong arguments are refused with a code, and a share that fails leaves nothing behind',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const maps: MapToShare[] = [{ proto: 'tcp', port: 3000 }]
    const wrong = [
      { secret: newSecret() },
      { maps },
      undefined,
      { secret: newSecret(), maps: [{ proto: 'tpc', port: 1 }] }
    ]
    for (const what of wrong) {
      await assert.rejects(node.share(what as never), { code: 'BAD_OPTIONS' })
      await assert.rejects(node.open(what as never), { code: 'BAD_OPTIONS' })
    }
    await assert.rejects(node.share({ secret: '', maps }), { code: 'BAD_SECRET' })
    await assert.rejects(node.open({ publicKey: new Uint8Array(5), maps: [] }), { code: 'BAD_PUBLIC_KEY' })
    const secret = newSecret()
    const shared = await node.share({ secret, maps })
    // One node listens once under a secret.
    await assert.rejects(node.share({ secret, maps }))
    assert.deepEqual(
      node.status().servers.map(({ publicKey }) => publicKey),
      [shared.publicKey]
    )
    await shared[Symbol.asyncDispose]()
    assert.deepEqual(node.status().servers, [])
    const { publicKey } = shared
    for (const server of [
      { publicKey, maps: [null] },
      { publicKey, maps: [{ proto: 'tcp', port: 0 }] }
    ])
      await assert.rejects(node.connect(server as never), { code: 'BAD_OPTIONS' })
    const keyless = { publicKey: 'no key', maps }
    await assert.rejects(node.connect(keyless as never), { code: 'BAD_PUBLIC_KEY' })
    assert.deepEqual(node.status().clients, [])
    // A ticket that a program leaves undefined is left out.
    const what = { publicKey, maps: [{ ...maps[0]!, localPort: 0 }], ticket: undefined }
    const opened = await node.open(what)
    await opened[Symbol.asyncDispose]()
    assert.deepEqual(node.status().clients, [])
  }
)

staged('each wrong argument of a node is refused with a code, and leaves nothing behind', async stage => {
  const { bootstrap } = await stage.testnet()
  const options: Record<string, unknown> = {
    bootstrap: '127.0.0.1:49737',
    relays: 'a key',
    identity: { publicKey: new Uint8Array(5) },
    portMapping: 'no',
    lan: 1,
    ipv6: null,
    log: {},
    limits: { tcpFlows: '5' },
    onMemoryReleased: true
  }
  for (const [name, value] of Object.entries(options)) {
    const wrong = { [name]: value } as HyperNatOptions
    assert.throws(() => new HyperNat(wrong), { code: 'BAD_OPTIONS', message: new RegExp(name) })
  }
  for (const wrong of [{ bootstrap: ['nowhere'] }, { bootstrap: [5] }, null, 5])
    assert.throws(() => new HyperNat(wrong as never), { code: 'BAD_OPTIONS' })

  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const key = keyPairOf(new Secret(newSecret())).publicKey
  const calls: readonly ((given: never) => Promise<unknown>)[] = [
    given => node.connect(given),
    given => node.ping(given),
    given => node.open(given),
    given => node.share(given)
  ]
  for (const call of calls)
    for (const wrong of [undefined, null, 5])
      await assert.rejects(call(wrong as never), { code: 'BAD_OPTIONS' })
  for (const wrong of [null, { signal: 5 }, { signal: {} }, { wait: 'yes' }])
    await assert.rejects(node.connect(key, wrong as never), { code: 'BAD_OPTIONS' })
  for (const wrong of [{ count: 'x' }, { intervalMs: -1 }, { signal: 'x' }, { onanswer: 1 }])
    await assert.rejects(node.ping({ publicKey: key, ...wrong } as never), { code: 'BAD_OPTIONS' })
  for (const wrong of [
    { ticket: {} },
    { publicKey: key, maps: [], identity: 'x' },
    { publicKey: key, maps: [], guest: 'x' }
  ])
    await assert.rejects(node.open(wrong as never), { code: 'BAD_OPTIONS' })
  await assert.rejects(node.share({ secret: {} as never, maps: [] }), { code: 'BAD_OPTIONS' })
  assert.deepEqual([node.status().clients, node.status().servers], [[], []])

  const opened = await node.open({ publicKey: key, maps: [] })
  for (const wrong of [
    ['udp', 7000],
    ['tcp', 70_000],
    [7000],
    ['tcp', 7000, null],
    ['tcp', 7000, { signal: 'x' }]
  ])
    assert.throws(() => opened.stream(...(wrong as [never, never])), { code: 'BAD_OPTIONS' })
  assert.throws(() => opened.datagrams('x' as never), { code: 'BAD_OPTIONS' })
})

staged('a secret is shared once by a node, and a closed node says so in place of results', async stage => {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const secret = newSecret()
  await node.share({ secret, maps: [] })
  await assert.rejects(node.share({ secret, maps: [] }), { code: 'BAD_OPTIONS', message: /secret/ })
  const other = new HyperNat({ bootstrap, portMapping: false })
  const shared = other.share({ secret: newSecret(), maps: [] })
  const refused = assert.rejects(shared, { code: 'CLOSED' })
  await other.close()
  await refused
  const publicKey = keyPairOf(new Secret(newSecret())).publicKey
  for (const call of [
    () => other.survey(),
    () => other.tryPortMapping(),
    () => other.ping({ publicKey }),
    () => other.find(publicKey)
  ])
    await assert.rejects(call(), { code: 'CLOSED' })
  const third = new HyperNat({ bootstrap, portMapping: false })
  // Asked before it is closed: nothing that answers any more is no finding.
  const asked = [third.survey(), third.tryPortMapping(), third.find(publicKey)]
  const late = Promise.all(asked.map(finding => assert.rejects(finding, { code: 'CLOSED' })))
  await third.close()
  await late
})

staged(
  'a server that is closed takes no ports, rules or guests any more, and reports nothing',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const maps: MapToShare[] = [{ proto: 'tcp', port: 3000 }]
    const server = await node.share({ secret: newSecret(), maps })
    await server.close()
    const events: string[] = []
    node.on('event', ({ event }) => events.push(event))
    for (const call of [
      () => server.setMaps(maps),
      () => server.update({}),
      () => server.invite({ name: 'Anna' }),
      () => server.revoke('Anna')
    ])
      assert.throws(call, { code: 'CLOSED' })
    assert.deepEqual(events, [])
  }
)

staged(
  'a secret whose sharing is given up is free at once, and the same secret can be shared again',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const secret = newSecret()
    const wrong = { secret, maps: [MAP], signal: {} }
    await assert.rejects(node.share(wrong as never), { code: 'BAD_OPTIONS', message: /signal/ })
    const reason = new Error('no more time')
    const aborted = AbortSignal.abort(reason)
    await assert.rejects(node.share({ secret, maps: [MAP], signal: aborted }), reason)

    // At each moment of it, from before the node has its port to after nodes have been asked.
    for (let turns = 0; turns < 12; turns++) {
      const giveUp = new AbortController()
      const shared = node.share({ secret, maps: [MAP], signal: giveUp.signal })
      for (let i = 0; i < turns; i++) await turn()
      giveUp.abort(reason)
      // The last ones may be done before.
      if (turns < 3) await assert.rejects(shared, reason)
      else
        await shared.then(
          server => server.close(),
          err => assert.equal(err, reason)
        )
      assert.deepEqual(node.status().servers, [])
    }
    // One that is being closed has its keys still.
    const first = await node.share({ secret, maps: [MAP] })
    void first.close()
    const { publicKey } = await node.share({ secret, maps: [MAP] })
    assert.ok((await node.find(publicKey)) > 0)
  }
)

staged('sharing is given up while no node answers, again and again', async stage => {
  const silent = createSocket('udp4')
  stage.defer(() => silent.close())
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const bootstrap = [`127.0.0.1:${silent.address().port}`]
  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false, lan: false }))
  const secret = newSecret()
  for (let i = 0; i < 3; i++) {
    const giveUp = new AbortController()
    const shared = node.share({ secret, maps: [MAP], signal: giveUp.signal })
    await once(silent, 'message')
    giveUp.abort()
    await assert.rejects(shared, { name: 'AbortError' })
  }
})

staged('a relay and a daemon that are started twice start once', async stage => {
  const { bootstrap } = await stage.testnet()
  const schema = [{ mode: 'server', secret: newSecret(), port: 9, proto: 'tcp' }]
  const written = writeOptions({ network: { bootstrap }, control: false, schema })
  stage.defer(() => written.remove())
  const daemon = await stage.use(new Daemon(await readOptionsFile(written.file), silentLog))
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap }))
  const ready: unknown[] = []
  for (const one of [daemon, relay]) {
    one.on('event', ({ event }: { event: string }) => event === 'ready' && ready.push(one))
    await Promise.all([one.start(), one.start()])
    await one.start()
  }
  assert.deepEqual(ready, [daemon, relay])
})

staged('a trace that throws is reported once, and what it traces goes on', async stage => {
  const { bootstrap } = await stage.testnet()
  const trace = (): void => {
    throw new Error('no disk')
  }
  const [host, guest] = await Promise.all(
    [0, 1].map(() => stage.use(new HyperNat({ bootstrap, portMapping: false, trace })))
  )
  const told: string[] = []
  guest!.on('event', event => event.event === 'warning' && told.push(`${event.code} ${event.message}`))
  const { publicKey } = await host!.share({ secret: newSecret(), maps: [] })
  const connection = await guest!.connect(publicKey)
  assert.equal(typeof (await connection.ping()), 'number')
  assert.deepEqual(told, [
    'TRACE_FAILED Nothing is traced any more: the function for it has failed (no disk).'
  ])
})

staged(
  'options that an object inherits from its class count, and a caller may use its objects again',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const of = <T extends object>(object: T): T => Object.create(object) as T
    const server = await node.share(of({ secret: newSecret(), maps: [of(MAP)], private: true }))
    assert.equal(node.status().servers[0]?.private, true)
    const { invite } = server.invite(of({ name: 'Anna', maxDevices: 2, maps: [of(MAP)] }))
    assert.deepEqual({ ...invite, nonce: 0 }, { name: 'Anna', maxDevices: 2, maps: [MAP], nonce: 0 })
    server.update({})

    const maps: MapToShare[] = [{ ...MAP }]
    server.setMaps(maps)
    maps[0]!.port = 4000
    maps.push({ proto: 'udp', port: 4001 })
    assert.deepEqual(decodeTicket(server.invite({ name: 'Bob' }).ticket).maps, [MAP])

    const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const publicKey = Buffer.from(decodeKey(server.publicKey))
    const connected = new Promise(resolve => {
      guest.on('event', event => event.event === 'connected' && resolve(event.publicKey))
    })
    const opened = await guest.open({ publicKey, maps: [of({ ...MAP, localPort: 0 })] })
    publicKey.fill(0)
    assert.deepEqual(
      opened.maps.map(({ proto, port }) => ({ proto, port })),
      [MAP]
    )
    assert.equal(await connected, server.publicKey)
  }
)

staged('many pings at once, and much that one signal ends, make no warning', async stage => {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const warnings: Error[] = []
  const onwarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onwarning)
  stage.defer(() => process.off('warning', onwarning))
  const { publicKey } = await node.share({ secret: newSecret(), maps: [] })
  const unknown = keyPairOf(newSecret()).publicKey
  const pings = Array.from({ length: 12 }, () => node.ping({ publicKey, count: 1 }))
  assert.deepEqual(new Set((await Promise.all(pings)).map(({ sent }) => sent)), new Set([1]))
  const streams = new AbortController()
  const flows = new AbortController()
  const ports = new AbortController()
  const connections = new AbortController()
  const opened = await node.open({ publicKey, maps: [] })
  const ends = Array.from({ length: 12 }, async () => {
    const { signal } = connections
    const stream = opened.stream('tcp', 3000, { signal: streams.signal })
    const flow = opened.datagrams(3000, { signal: flows.signal })
    stream.on('error', () => {})
    await Promise.all([
      new Promise<void>(resolve => stream.once('close', resolve)),
      new Promise<void>(resolve => flow.once('close', () => resolve())),
      assert.rejects(node.open({ publicKey, maps: [], signal: ports.signal }), { name: 'AbortError' }),
      assert.rejects(node.connect(unknown, { wait: true, signal }), { name: 'AbortError' })
    ])
  })
  for (const one of [streams, flows, ports, connections]) one.abort()
  await Promise.all(ends)
  assert.deepEqual(warnings, [])
})
