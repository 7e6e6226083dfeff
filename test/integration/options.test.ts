// The command line and options.json as users write them, old examples included, on real processes.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectTcp, readAll, UdpClient } from '../support/clients.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { isLinux } from '../support/machine.js'
import { bindUdpEcho, listenTcp, listenTcpEcho, onOnePort, type TcpServer } from '../support/servers.js'
import { clientEntries, newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

/** `mysecret` of the old README. */
const MYSECRET_KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
/** `thisisaseretsecret` of the old README. */
const OLD_OPTIONS_KEY = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'
/** A key of nobody. */
const SOME_KEY = '8KdZA6WUUjkpSJSFoUHKfuj2hTygNkbLFnREPwn8u89r'

/** The maps of a server's `ready`, in words. */
async function shared(server: HyperNat): Promise<string[]> {
  const { maps } = await server.event('ready', { where: e => e.mode === 'server' })
  return maps.map(m => `${m.proto} ${m.port}`)
}

async function tcpWorks(port: number, host?: string): Promise<void> {
  const socket = await connectTcp(port, host)
  socket.end('ping')
  assert.equal((await readAll(socket)).toString(), 'ping')
}

async function udpWorks(stage: Stage, port: number, host?: string): Promise<void> {
  const program = await stage.use(UdpClient.open(port, host))
  await program.echo(Buffer.from('ping'))
}

staged('hyper-nat server -p 3000 -s mysecret', async stage => {
  const server = await stage.run(['server', '-p', '3000', '-s', 'mysecret'])
  assert.deepEqual(await shared(server), ['udp 3000'])
  assert.equal((await server.event('ready')).publicKey, MYSECRET_KEY)
  await server.event('warning')
})

staged('hyper-nat server -p 3000,3001,3002 --protocol udp,tcp,udp -s mysecret', async stage => {
  const server = await stage.run('server -p 3000,3001,3002 --protocol udp,tcp,udp -s mysecret'.split(' '))
  assert.deepEqual(await shared(server), ['udp 3000', 'tcp 3001', 'udp 3002'])
  assert.equal((await server.event('ready')).publicKey, MYSECRET_KEY)
})

staged('the server options.json of the old README', async stage => {
  const server = await stage.daemon([
    { mode: 'server', proto: 'udp', port: '7913', host: '127.0.0.1', secret: 'thisisaseretsecret' },
    { mode: 'server', proto: 'tcp', port: '7915', host: '127.0.0.1', secret: 'thisisaseretsecret' }
  ])
  assert.deepEqual(await shared(server), ['udp 7913', 'tcp 7915'])
  assert.equal((await server.event('ready')).publicKey, OLD_OPTIONS_KEY)
})

staged('the client options.json of the old README, on free local ports', async stage => {
  const client = await stage.daemon([
    { mode: 'client', proto: 'udp', localPort: '0', port: '80', publicKey: SOME_KEY },
    { mode: 'client', proto: 'tcp', localPort: '0', port: '443', publicKey: SOME_KEY }
  ])
  const maps = await client.clientMaps()
  assert.deepEqual(
    maps.map(m => `${m.proto} ${m.port} ${m.localHost}`),
    ['udp 80 127.0.0.1', 'tcp 443 127.0.0.1']
  )
  assert.ok(maps.every(m => m.localPort > 0))
})

staged('hyper-nat client -l 0,0 -r 80,443 --protocol udp,tcp -k KEY', async stage => {
  const client = await stage.run([
    'client',
    '-l',
    '0,0',
    '-r',
    '80,443',
    '--protocol',
    'udp,tcp',
    '-k',
    SOME_KEY
  ])
  const maps = await client.clientMaps()
  assert.deepEqual(
    maps.map(m => `${m.proto} ${m.port}`),
    ['udp 80', 'tcp 443']
  )
  const waiting = await client.event('waiting')
  assert.equal(waiting.publicKey, SOME_KEY)
})

staged('ranges, tcp+udp and one protocol for many ports', async stage => {
  const range = await stage.run(['server', '-p', '27015-27020', '--proto', 'tcp', '-s', newSecret()])
  assert.deepEqual(
    await shared(range),
    [27015, 27016, 27017, 27018, 27019, 27020].map(p => `tcp ${p}`)
  )
  const both = await stage.run(['server', '-p', '3000', '--protocol', 'tcp+udp', '-s', newSecret()])
  assert.deepEqual((await shared(both)).sort(), ['tcp 3000', 'udp 3000'])
  const twice = await stage.run(['server', '-p', '3000,3000', '--protocol', 'tcp,udp', '-s', newSecret()])
  assert.deepEqual((await shared(twice)).sort(), ['tcp 3000', 'udp 3000'])
})

staged('the line that a server prints works when it is pasted', async stage => {
  const [tcp, udp] = await onOnePort(listenTcpEcho, port => bindUdpEcho({ port }))
  await stage.use(tcp)
  await stage.use(udp)
  const { bootstrap } = await stage.testnet()
  const { port } = tcp
  const args = ['server', '-p', `${port}`, '--protocol', 'tcp+udp', '--bootstrap', bootstrap.join(',')]
  const server = stage.start([...args, '-s', newSecret()])
  // Its words are for people; a person pastes all after the program's name.
  const [, line = ''] = await server.says(/hyper-nat (client .*)/)
  const pasted = line.trim().split(/\s+/)
  // On one machine the local port cannot be the server's.
  pasted[pasted.indexOf('-l') + 1] = pasted[pasted.indexOf('-l') + 1]!.replace(/\d+/g, '0')
  if (!pasted.includes('--bootstrap')) pasted.push('--bootstrap', bootstrap.join(','))
  const client = stage.start([...pasted, '--json'])
  await client.event('connected')
  await tcpWorks(await client.localPort('tcp', port))
  await udpWorks(stage, await client.localPort('udp', port))
})

staged('a secret from the environment or a file', async stage => {
  const { bootstrap } = await stage.testnet()
  const file = join(tmpdir(), `hyper-nat-secret-${process.pid}`)
  writeFileSync(file, 'mysecret\n')
  stage.defer(() => rmSync(file))
  const args = ['server', '-p', '3000', '--json', '--bootstrap', bootstrap.join(',')]
  const fromFile = stage.start([...args, '--secret-file', file])
  assert.equal((await fromFile.event('ready')).publicKey, MYSECRET_KEY)
  const fromEnvironment = stage.start(args, { env: { HYPER_NAT_SECRET: 'mysecret' } })
  assert.equal((await fromEnvironment.event('ready')).publicKey, MYSECRET_KEY)
})

staged('a server without a secret makes one and shows it once', async stage => {
  const { bootstrap } = await stage.testnet()
  const server = stage.start(['server', '-p', '3000', '--bootstrap', bootstrap.join(',')])
  await server.says(/hyper-nat client/)
  await server.says(/secret/i)
})

staged('server and client entries in one file, several secrets and several keys', async stage => {
  const targets: TcpServer[] = []
  for (let i = 0; i < 3; i++) targets.push(await stage.use(listenTcp(socket => socket.end(`target ${i}`))))
  const [a, b, c] = targets.map(t => ({ proto: 'tcp', port: t.port }))
  const one = await stage.daemon(
    [...serverEntries([a!], newSecret()), ...serverEntries([b!], newSecret())],
    {},
    { name: 'one' }
  )
  await one.event('ready', { where: e => e.mode === 'server' && e.maps.some(m => m.port === b!.port) })
  await one.event('ready', { where: e => e.mode === 'server' && e.maps.some(m => m.port === a!.port) })
  const keyOf = (port: number) => {
    const ready = one.events.find(e => e.event === 'ready' && e.maps.some(m => m.port === port))
    return ready?.event === 'ready' ? ready.publicKey : ''
  }
  assert.notEqual(keyOf(a!.port), keyOf(b!.port))

  // The second process shares a port itself, and opens one port of each of the first one's secrets.
  const two = await stage.daemon(
    [
      ...serverEntries([c!], newSecret()),
      ...clientEntries([a!], keyOf(a!.port)),
      ...clientEntries([b!], keyOf(b!.port))
    ],
    {},
    { name: 'two' }
  )
  const { publicKey } = await two.event('ready', { where: e => e.mode === 'server' })
  const three = await stage.daemon(clientEntries([c!], publicKey), {}, { name: 'three' })
  for (const [i, [client, port]] of [
    [two, a!.port] as const,
    [two, b!.port] as const,
    [three, c!.port] as const
  ].entries()) {
    const socket = await connectTcp(await client.localPort('tcp', port))
    assert.equal((await readAll(socket)).toString(), `target ${i}`)
    socket.destroy()
  }
})

staged(
  'a host that stands for all addresses of this computer is this computer, on every system',
  async stage => {
    for (const host of ['0.0.0.0', '::']) {
      const server = await stage.run(['server', '-p', '3000', '--host', host, '-s', newSecret()])
      const { maps } = await server.event('ready')
      assert.equal((maps as { host: string }[])[0]!.host, '127.0.0.1')
    }
  }
)

for (const host of ['::1', 'localhost']) {
  staged(`a target at ${host}`, async stage => {
    const address = host === 'localhost' ? '127.0.0.1' : host
    const tcp = await stage.use(listenTcpEcho({ host: address }))
    const udp = await stage.use(bindUdpEcho({ host: address }))
    const shares = [
      { proto: 'tcp', port: tcp.port, host },
      { proto: 'udp', port: udp.port, host }
    ]
    const tunnel = await stage.tunnel(shares)
    await tcpWorks(await tunnel.localPort('tcp', tcp.port))
    await udpWorks(stage, await tunnel.localPort('udp', udp.port))
  })
}

staged('localHost chooses the address to listen on', async stage => {
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const shares = [
    { proto: 'tcp', port: tcp.port },
    { proto: 'udp', port: udp.port }
  ]
  const server = await stage.daemon(serverEntries(shares, newSecret()))
  const { publicKey } = await server.event('ready')
  const entries = clientEntries(shares, publicKey).map(entry => ({ ...entry, localHost: '::1' }))
  const client = await stage.daemon(entries)
  assert.ok((await client.clientMaps()).every(m => m.localHost === '::1'))
  await tcpWorks(await client.localPort('tcp', tcp.port), '::1')
  await udpWorks(stage, await client.localPort('udp', udp.port), '::1')
})

staged(
  'localPort is port when it is not given',
  async stage => {
    const tcp = await stage.use(listenTcpEcho())
    const server = await stage.daemon(serverEntries([{ proto: 'tcp', port: tcp.port }], newSecret()))
    const { publicKey } = await server.event('ready')
    const localHost = '127.0.0.2'
    const client = await stage.daemon([
      { mode: 'client', proto: 'tcp', port: tcp.port, localHost, publicKey }
    ])
    assert.equal(await client.localPort('tcp', tcp.port), tcp.port)
    await tcpWorks(tcp.port, localHost)
  },
  { skip: isLinux ? false : 'only Linux has 127.0.0.2' }
)

staged('a map that the server does not share is named, and the others stay up', async stage => {
  const tcp = await stage.use(listenTcpEcho())
  const other = tcp.port === 9 ? 10 : 9
  const server = await stage.daemon(serverEntries([{ proto: 'tcp', port: tcp.port }], newSecret()))
  const { publicKey } = await server.event('ready')
  const wanted = [
    { proto: 'tcp', port: tcp.port },
    { proto: 'udp', port: other }
  ]
  const client = await stage.daemon(clientEntries(wanted, publicKey))
  const isNotShared = (e: { code: string }) => e.code === 'MAP_NOT_SHARED'
  const told = await Promise.any([
    client.event('warning', { where: isNotShared }),
    client.event('error', { where: isNotShared })
  ])
  assert.match(told.message, new RegExp(`${other}`), 'names what was asked for')
  assert.match(told.message, new RegExp(`${tcp.port}`), 'names what is shared')
  await tcpWorks(await client.localPort('tcp', tcp.port))
  assert.ok(client.running)
})

staged('without --json the words are for a person, and the secret is never among them', async stage => {
  const secret = newSecret()
  const { bootstrap } = await stage.testnet()
  const written = writeOptions({
    schema: serverEntries([{ proto: 'tcp', port: 4000 }], secret),
    network: { bootstrap }
  })
  stage.defer(() => written.remove())
  const server = stage.start(['-v'], { cwd: written.folder })
  await server.says(/hyper-nat client/)
  await server.stop()
  assert.ok(!(server.stdout + server.stderr).includes(secret))
})
