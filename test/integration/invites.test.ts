// Private servers: who is invited comes in, who is not gets no packet, and who was is out at once.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import HyperDHT from 'hyperdht'
import { Daemon } from '../../src/daemon.js'
import { HyperNatError } from '../../src/errors.js'
import type { DaemonEvent } from '../../src/events.js'
import { OPEN } from '../../src/identity/access-rules.js'
import { childPublicKey } from '../../src/identity/child.js'
import { decodeKey, encodeKey } from '../../src/identity/encoding.js'
import { GuestKey } from '../../src/identity/guest.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { decodeTicket } from '../../src/identity/ticket.js'
import { HyperNat as Library, type ServerHandle } from '../../src/index.js'
import { LIMITS, type Limits } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { readOptionsFile } from '../../src/options/file.js'
import { ClientSession } from '../../src/session/client-session.js'
import { systemClock } from '../../src/util/clock.js'
import { connectTcp, readAll, readSome, UdpClient } from '../support/clients.js'
import { until, within } from '../support/deadline.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { intrude } from '../support/intruder.js'
import { bindUdpEcho, listenTcpEcho, listenTcpHash } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { noWire, Wire } from '../support/wire.js'

/** A server that runs from a file, and the commands that change the file. */
class Owner {
  constructor(
    readonly stage: Stage,
    readonly file: string,
    readonly server: HyperNat,
    readonly publicKey: string
  ) {}

  async invite(...args: string[]): Promise<string> {
    const command = this.stage.start(['invite', ...args, '-c', this.file, '--json'])
    assert.equal((await command.end()).code, 0, command.describe())
    return JSON.parse(command.stdout).ticket
  }

  async revoke(name: string): Promise<void> {
    const command = this.stage.start(['revoke', name, '-c', this.file])
    assert.equal((await command.end()).code, 0, command.describe())
  }

  /** Somebody with a ticket, connected. */
  async guest(ticket: string, ...args: string[]): Promise<HyperNat> {
    const guest = this.stage.start(['join', ticket, '-l', '0', '--json', ...args], { name: 'guest' })
    await guest.event('connected')
    return guest
  }

  /** Somebody who has no more than the public key. */
  async stranger(port: number): Promise<HyperNat> {
    const args = ['client', '-r', `${port}`, '-l', '0', '--protocol', 'tcp', '-k', this.publicKey]
    return this.stage.run(args, 'stranger')
  }
}

async function owner(stage: Stage, entries: readonly object[], rules: object = { private: true }) {
  const { bootstrap } = await stage.testnet()
  const secret = newSecret()
  const schema = entries.map((entry, i) => ({ mode: 'server', ...entry, secret, ...(i === 0 && rules) }))
  const written = writeOptions({ network: { bootstrap }, schema })
  stage.defer(() => written.remove())
  const server = stage.start(['-c', written.file, '--json', '-v'], { name: 'server' })
  const ready = await server.event('ready')
  return new Owner(stage, written.file, server, ready.publicKey)
}

/** In this process. */
async function sharing(
  stage: Stage,
  what: Omit<Parameters<Library['share']>[0], 'secret'>,
  limits: Partial<Limits> = {}
) {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new Library({ bootstrap, limits }))
  const events: DaemonEvent[] = []
  node.on('event', event => events.push(event))
  const shared: ServerHandle = await node.share({ secret: newSecret(), ...what })
  return { shared, events, bootstrap }
}

async function echoes(port: number, text = 'hello'): Promise<void> {
  const socket = await connectTcp(port)
  socket.end(text)
  assert.equal((await readAll(socket)).toString(), text)
}

staged('a private server admits invited guests, by name, and nobody else', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const ready = await host.server.event('ready')
  assert.ok(ready.mode === 'server' && ready.private)
  const stranger = await host.stranger(target.port)
  const guest = await host.guest(await host.invite('Anna'))
  const { name } = await host.server.event('connected')
  assert.equal(name, 'Anna')
  await echoes(await guest.localPort('tcp', target.port))
  const { code, message } = await stranger.event('waiting')
  assert.equal(code, 'SERVER_NOT_RUNNING')
  assert.match(message, /private .* invite/)
  await host.server.says(/not invited: got no answer/)
  assert.ok(!stranger.events.some(({ event }) => event === 'connected'))
  assert.deepEqual(
    host.server.events.flatMap(one => (one.event === 'connected' ? [one.name] : [])),
    ['Anna']
  )
})

staged(
  'a client that is not invited gets no packet from a private server',
  async stage => {
    const { bootstrap, ports } = await stage.testnet()
    const wire = await stage.use(Wire.open())
    const me = HyperDHT.keyPair()
    const { shared } = await sharing(stage, { maps: [{ proto: 'tcp', port: 1 }], private: true })
    const dht = new HyperDHT({ bootstrap })
    stage.defer(() => dht.destroy({ force: true }))
    await dht.fullyBootstrapped()
    const { io } = dht as unknown as {
      io: Record<'clientSocket' | 'serverSocket', { address(): HyperDHT.Address }>
    }
    const own = [io.clientSocket, io.serverSocket].map(socket => socket.address().port)
    /** Packets that come from elsewhere than the nodes of the DHT. */
    const direct = () => wire.packets.filter(p => own.includes(p.port) && !ports.includes(p.sourcePort))
    const dial = async (): Promise<string> => {
      const stream = dht.connect(childPublicKey(decodeKey(shared.publicKey)), { keyPair: me })
      const result = new Promise<string>(resolve => {
        stream.on('error', (err: { code?: string }) => resolve(err.code ?? 'error'))
        stream.once('open', () => resolve('open'))
      })
      const code = await within(30_000, result, () => 'an end of the dial')
      stream.destroy()
      return code
    }
    assert.equal(await dial(), 'PEER_CONNECTION_FAILED')
    assert.ok(
      wire.packets.some(p => own.includes(p.port)),
      'the capture works'
    )
    assert.deepEqual(direct(), [])
    // The same dial of somebody who is allowed shows that packets would have been seen.
    shared.update({ private: true, allow: [me.publicKey] })
    assert.equal(await dial(), 'open')
    await until(5000, 'packets of the server', () => direct().length > 0)
  },
  { skip: noWire() }
)

staged('a revoked guest is out within a second; others notice nothing', async stage => {
  const target = await stage.use(listenTcpHash())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const anna = await host.guest(await host.invite('Anna'))
  const ben = await host.guest(await host.invite('Ben'))
  const idle = await connectTcp(await anna.localPort('tcp', target.port))
  idle.on('error', () => {})
  const closed = new Promise(resolve => idle.once('close', resolve))
  const busy = await connectTcp(await ben.localPort('tcp', target.port))
  const hash = createHash('sha256')
  const answer = readAll(busy)
  answer.catch(() => {})
  let revoked = false
  const chunk = stage.random.bytes(256 * 1024)
  const send = async (): Promise<void> => {
    // It goes on over the time of the revocation.
    for (let left = 64; left > 0; left -= revoked ? 1 : 0) {
      hash.update(chunk)
      if (!busy.write(chunk)) await new Promise(resolve => busy.once('drain', resolve))
    }
    busy.end()
  }
  const sending = send()
  await host.revoke('Anna')
  const since = performance.now()
  const { code } = await host.server.event('disconnected', { where: one => one.name === 'Anna' })
  const took = performance.now() - since
  assert.equal(code, 'NOT_INVITED')
  assert.ok(took < 1000, `took ${took.toFixed()} ms`)
  assert.equal((await anna.event('disconnected')).code, 'NOT_INVITED')
  assert.match((await anna.event('waiting')).message, /this computer is not invited/)
  await within(5000, closed, () => 'the end of a connection')
  revoked = true
  await sending
  assert.equal((await answer).toString(), hash.digest('hex'))
  for (const daemon of [ben, host.server]) {
    const gone = daemon.events.flatMap(one => (one.event === 'disconnected' ? [one.name ?? one.peer] : []))
    assert.deepEqual(gone, daemon === ben ? [] : ['Anna'])
  }
  const from = host.server.mark
  await host.server.says(/not invited: got no answer/, 20_000)
  assert.ok(!host.server.events.slice(from).some(({ event }) => event === 'connected'))
})

staged('a guest who is revoked while away gets the reason at the next contact', async stage => {
  const target = await stage.use(listenTcpEcho())
  const maps = [{ proto: 'tcp', port: target.port }] as const
  const { shared, events } = await sharing(stage, { maps, private: true }, { deadMs: 2000 })
  const { ticket } = shared.invite({ name: 'Anna' })
  const guest = stage.start(['join', ticket, '-l', '0', '--json'], { name: 'guest' })
  await guest.event('connected')
  const socket = await connectTcp(await guest.localPort('tcp', target.port))
  socket.write('hello')
  await readSome(socket, 5)
  const closed = new Promise(resolve => socket.on('error', resolve))
  guest.kill('SIGSTOP')
  await until(20_000, 'the guest is missed', () => events.some(one => one.event === 'disconnected'))
  shared.revoke('Anna')
  guest.kill('SIGCONT')
  const since = performance.now()
  assert.equal((await guest.event('waiting')).code, 'NOT_INVITED')
  await within(10_000, closed, () => 'the end of a connection')
  stage.t.diagnostic(`told after ${(performance.now() - since).toFixed()} ms`)
  assert.ok(guest.events.some(one => one.event === 'disconnected'))
})

staged('a guest who is revoked while the server is down gets the reason once it is back', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const guest = await host.guest(await host.invite('Anna'))
  const local = await guest.localPort('tcp', target.port)
  await echoes(local)
  await host.server.stop()
  await guest.event('disconnected')
  const [stranger, refused] = [await host.stranger(target.port), guest.mark]
  await host.revoke('Anna')
  const again = stage.start(['-c', host.file, '--json', '-v'], { name: 'server again' })
  await again.event('ready')
  await guest.event('waiting', { from: refused, where: ({ code }) => code === 'NOT_INVITED' })
  await again.says(/not invited: got no answer/)
  assert.ok(!stranger.events.some(one => one.event === 'waiting' && one.code === 'NOT_INVITED'))
})

staged('an invite for some maps shows and opens no others', async stage => {
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const host = await owner(stage, [
    { proto: 'tcp', port: tcp.port, name: 'Web' },
    { proto: 'udp', port: udp.port }
  ])
  const ticket = await host.invite('Anna', '--maps', 'web')
  assert.deepEqual(decodeTicket(ticket).maps, [{ proto: 'tcp', port: tcp.port, name: 'Web' }])
  const guest = await host.guest(ticket)
  await echoes(await guest.localPort('tcp', tcp.port))
  await guest.stop()
  // A client that asks for what the server did not name.
  const { publicKey, invite, bootstrap } = decodeTicket(ticket)
  const { keyPair } = new GuestKey(invite!)
  const { link, welcome, datagramKey } = await stage.use(intrude(publicKey, bootstrap!, keyPair))
  assert.deepEqual(
    welcome.maps.map(({ proto, port }) => `${proto} ${port}`),
    [`tcp ${tcp.port}`]
  )
  const session = new ClientSession(
    Buffer.from(welcome.session),
    { clock: systemClock, limits: LIMITS, defer: fn => setImmediate(fn), chance: Math.random },
    { up() {}, lost() {}, ended() {}, silent() {}, udp() {}, maps() {} }
  )
  session.attach({
    link,
    sendKey: datagramKey,
    receiveKey: Buffer.from(welcome.datagramKey),
    features: welcome.features,
    resumed: null
  })
  const known = welcome.maps[0]!.id
  const codes = await Promise.all(
    [known + 1, known + 2].map(
      map =>
        new Promise<string>(resolve => {
          const flow = session.openFlow(map)
          flow.events = { ...flow.events, reset: code => resolve(code) }
        })
    )
  )
  assert.deepEqual(codes, ['MAP_NOT_SHARED', 'MAP_NOT_SHARED'])
  session.sendUdp(known + 1, 1, Buffer.from('not for you'))
  const flow = session.openFlow(known)
  flow.write(Buffer.from('for you'))
  await until(5000, 'the flow that is allowed to arrive', () => tcp.accepted > 1)
  assert.deepEqual(udp.got, [])
  session.close('GOODBYE')
})

staged('maps that are taken from an invite are gone at once', async stage => {
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const maps = [
    { proto: 'tcp', port: tcp.port },
    { proto: 'udp', port: udp.port }
  ] as const
  const { shared, events, bootstrap } = await sharing(stage, { maps, private: true })
  const { invite, ticket } = shared.invite({ name: 'Anna' })
  const guest = await stage.use(new Library({ bootstrap }))
  const opened = await guest.open({ ticket })
  const socket = await connectTcp(opened.maps.find(({ proto }) => proto === 'tcp')!.localPort)
  socket.write('hello')
  assert.equal((await readSome(socket, 5)).toString(), 'hello')
  const closed = new Promise(resolve => socket.once('close', resolve))
  shared.update({ private: true, invites: [{ ...invite, maps: [maps[1]] }] })
  await within(5000, closed, () => 'the end of a connection')
  await until(20_000, 'Anna to be back', () => events.filter(one => one.event === 'connected').length > 1)
  const client = await stage.use(UdpClient.open(opened.maps.find(({ proto }) => proto === 'udp')!.localPort))
  await client.echo(Buffer.from('still'))
})

staged('an invite ends when its time is over', async stage => {
  const target = await stage.use(listenTcpEcho())
  const { shared, events, bootstrap } = await sharing(stage, {
    maps: [{ proto: 'tcp', port: target.port }],
    private: true
  })
  const expires = Date.now() + 3000
  const { ticket } = shared.invite({ name: 'Anna', expires })
  const guest = await stage.use(new Library({ bootstrap }))
  const told: DaemonEvent[] = []
  guest.on('event', event => told.push(event))
  await guest.open({ ticket })
  await until(20_000, 'the end of the invite', () => events.some(one => one.event === 'disconnected'))
  assert.ok(Date.now() >= expires && Date.now() < expires + 1000)
  assert.deepEqual(
    events.flatMap(one => (one.event === 'connected' || one.event === 'disconnected' ? [one.name] : [])),
    ['Anna', 'Anna']
  )
  await until(5000, 'the guest to know', () =>
    told.some(one => one.event === 'waiting' && one.code === 'INVITE_EXPIRED')
  )
})

staged('several devices share an invite, up to its limit', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const ticket = await host.invite('Anna', '--max-devices', '2')
  const first = await host.guest(ticket)
  const second = await host.guest(ticket)
  await Promise.all([first, second].map(async one => echoes(await one.localPort('tcp', target.port))))
  const third = stage.start(['join', ticket, '-l', '0', '--json'], { name: 'third' })
  const { code, message } = await third.event('waiting')
  assert.equal(code, 'TOO_MANY_DEVICES')
  assert.match(message, /stop hyper-nat on one of them/)
  await first.stop()
  await third.event('connected')
  await echoes(await third.localPort('tcp', target.port))
  await echoes(await second.localPort('tcp', target.port))

  // A lower limit counts for those who are here: the latest goes.
  const options = readFileSync(host.file, 'utf8')
  writeFileSync(host.file, options.replace('"maxDevices": 2', '"maxDevices": 1'))
  assert.equal((await third.event('disconnected')).code, 'TOO_MANY_DEVICES')
  await echoes(await second.localPort('tcp', target.port))
})

staged('a guest cannot pose as another one', async stage => {
  const { shared, events, bootstrap } = await sharing(stage, {
    maps: [{ proto: 'tcp', port: 1 }],
    private: true
  })
  const [anna, ben] = ['Anna', 'Ben'].map(
    name => new GuestKey(decodeTicket(shared.invite({ name }).ticket).invite!)
  )
  const forger = new Library({
    bootstrap,
    identity: { publicKey: ben!.publicKey, secretKey: anna!.keyPair.secretKey }
  })
  await stage.use(forger)
  const told: DaemonEvent[] = []
  forger.on('event', event => told.push(event))
  await forger.open({ publicKey: shared.publicKey, maps: [{ proto: 'tcp', port: 1, localPort: 0 }] })
  await until(30_000, 'the forger to wait', () => told.some(one => one.event === 'waiting'))
  assert.ok(!events.some(one => one.event === 'connected'))
  const honest = await stage.use(new Library({ bootstrap, identity: anna!.keyPair }))
  await honest.open({ publicKey: shared.publicKey, maps: [{ proto: 'tcp', port: 1, localPort: 0 }] })
  await until(20_000, 'Anna', () => events.some(one => one.event === 'connected' && one.name === 'Anna'))
})

staged('a server from flags lets in the keys that they name, and has no answer for others', async stage => {
  const target = await stage.use(listenTcpEcho())
  const written = writeOptions('')
  stage.defer(() => written.remove())
  const identity = join(written.folder, 'me.key')
  const { stdout } = await stage.start(['id', '--identity', identity]).end()
  const share = ['server', '-p', `${target.port}`, '--protocol', 'tcp', '-s', newSecret(), '-v']
  const server = await stage.run([...share, '--private', '--allow', `Carl=${stdout.trim()}`], 'server')
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server' && ready.private && ready.ticket)
  await stage.run(['join', ready.ticket, '-l', '0'], 'stranger')
  await server.says(/not invited: got no answer/)
  const carl = await stage.run(['join', ready.ticket, '-l', '0', '--identity', identity], 'carl')
  assert.equal((await server.event('connected')).name, 'Carl')
  await echoes(await carl.localPort('tcp', target.port))
  assert.equal(server.events.filter(one => one.event === 'connected').length, 1)
})

staged('keys that are allowed have names; the list tells when they were here', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const identity = join(host.file, '..', 'me.key')
  const { stdout } = await stage.start(['id', '--identity', identity]).end()
  const list = async () => {
    const { stdout: text } = await stage.start(['guests', '-c', host.file, '--json']).end()
    return JSON.parse(text).servers[0]
  }
  const options = JSON.parse(readFileSync(host.file, 'utf8'))
  options.schema[0].allow = [{ name: 'Carl', publicKey: stdout.trim() }]
  writeFileSync(host.file, JSON.stringify(options))
  const before = Math.floor(Date.now() / 1000) * 1000
  const stranger = ['client', '-r', `${target.port}`, '-l', '0', '--protocol', 'tcp', '-k', host.publicKey]
  const carl = await stage.run([...stranger, '--identity', identity])
  assert.equal((await host.server.event('connected')).name, 'Carl')
  await echoes(await carl.localPort('tcp', target.port))
  await host.invite('Anna', '--expires', '7d')
  await until(5000, 'the file of times', () => existsSync(host.file.replace('.json', '.seen.json')))
  const { guests, private: isPrivate } = await list()
  assert.equal(isPrivate, true)
  assert.deepEqual(
    guests.map(({ name, kind }: { name: string; kind: string }) => [name, kind]),
    [
      ['Anna', 'invite'],
      ['Carl', 'allow']
    ]
  )
  assert.equal(guests[0].lastSeen, undefined)
  assert.ok(Date.parse(guests[1].lastSeen) >= before)
  await host.revoke('Carl')
  await host.server.event('disconnected', { where: one => one.name === 'Carl', ms: 2000 })
  assert.deepEqual(
    (await list()).guests.map(({ name }: { name: string }) => name),
    ['Anna']
  )
})

staged('a guest who is revoked while the file cannot be read is out as soon as it can', async stage => {
  const { bootstrap } = await stage.testnet()
  const secret = newSecret()
  const anna = keyPairOf(new Secret(newSecret()))
  const schema = (allow: readonly object[]) => [
    { mode: 'server', secret, port: 9, proto: 'tcp', private: true, allow }
  ]
  const written = writeOptions({
    network: { bootstrap },
    control: false,
    schema: schema([{ name: 'Anna', publicKey: encodeKey(anna.publicKey) }])
  })
  stage.defer(() => written.remove())
  const options = await readOptionsFile(written.file)
  let failures = 0
  const read = async () => {
    if (failures < 3) {
      failures++
      throw new HyperNatError('OPTIONS_UNREADABLE', 'EMFILE: too many open files')
    }
    return readOptionsFile(written.file)
  }
  const daemon = await stage.use(new Daemon({ ...options, source: { path: written.file, read } }, silentLog))
  const events: DaemonEvent[] = []
  daemon.on('event', event => events.push(event))
  await daemon.start()
  const guest = await stage.use(new Library({ bootstrap, identity: anna }))
  const handle = await guest.open({ publicKey: daemon.status().servers[0]!.publicKey, maps: [] })
  await until(10_000, 'Anna to be in', () => handle.connection !== null)
  writeFileSync(written.file, JSON.stringify({ network: { bootstrap }, control: false, schema: schema([]) }))
  await until(10_000, 'Anna to be out', () => events.some(({ event }) => event === 'disconnected'))
  assert.equal(failures, 3)
  const warnings = events.filter(one => one.event === 'warning' && one.code === 'OPTIONS_UNREADABLE')
  assert.equal(warnings.length, 1, 'it is told once')
})

staged('a file with faults changes nothing, and says why', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const guest = await host.guest(await host.invite('Anna'))
  const good = readFileSync(host.file, 'utf8')
  writeFileSync(host.file, good.replace('"private": true', '"private": "no", "invites": 5'))
  const { code, message } = await host.server.event('warning', { where: one => one.code === 'BAD_OPTIONS' })
  assert.equal(code, 'BAD_OPTIONS')
  assert.match(message, /schema\[0\]\.private: is "no"|invites" is written twice/)
  await echoes(await guest.localPort('tcp', target.port))
  writeFileSync(host.file, good)
  const stranger = await host.stranger(target.port)
  await stranger.event('waiting')
  writeFileSync(host.file, good.replace('"private": true', '"private": false'))
  await stranger.event('connected')
  writeFileSync(host.file, good)
  assert.equal((await stranger.event('disconnected')).code, 'NOT_INVITED')
  assert.ok(!guest.events.some(({ event }) => event === 'disconnected'))
})

staged('at a server that is not private, an invite gives a name', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }], OPEN)
  const command = stage.start(['invite', 'Anna', '-c', host.file])
  await command.end()
  assert.match(command.stdout, /The server is not private/)
  const [ticket = ''] = command.stdout.match(/hnat1[a-z0-9]+/) ?? []
  assert.equal(await host.invite('Anna'), ticket, 'the same ticket again')
  const anna = await host.guest(ticket)
  assert.equal((await host.server.event('connected')).name, 'Anna')
  const stranger = await host.stranger(target.port)
  await stranger.event('connected')
  const { name } = await host.server.event('connected', { from: host.server.mark - 1 })
  assert.equal(name, undefined)
  const from = host.server.mark
  await host.revoke('Anna')
  assert.equal((await anna.event('disconnected', { ms: 2000 })).code, 'NOT_INVITED')
  assert.ok(!stranger.events.some(({ event }) => event === 'disconnected'))
  // The ticket holds the public key, which is enough here.
  assert.equal((await host.server.event('connected', { from })).name, undefined)
  await echoes(await anna.localPort('tcp', target.port))
})

staged('doctor and ping come in with an invite, to a server that has no answer for others', async stage => {
  const target = await stage.use(listenTcpEcho())
  const host = await owner(stage, [{ proto: 'tcp', port: target.port }])
  const ticket = await host.invite('Anna')
  const ping = stage.start(['ping', ticket, '--count', '2', '--interval', '0.2', '--json'])
  assert.equal((await ping.end()).code, 0, ping.describe())
  assert.equal((await host.server.event('connected')).name, 'Anna')
  const from = host.server.mark
  const doctor = stage.start(['doctor', ticket, '--no-port-mapping', '--json'])
  await doctor.end(30_000)
  assert.equal((await host.server.event('connected', { from })).name, 'Anna')
  assert.equal(JSON.parse(doctor.stdout).server.connected, true, doctor.describe())
})
