// The control socket: what runs, as other programs of the same user see it and tell it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { ControlClient, findDaemons } from '../../src/control/client.js'
import { addressOf, foldersOf, thisMachine } from '../../src/control/place.js'
import { type Controlled, ControlServer } from '../../src/control/server.js'
import type { DaemonStatus } from '../../src/control/wire.js'
import { codeOf, HyperNatError } from '../../src/errors.js'
import { encodeKey } from '../../src/identity/encoding.js'
import { keyPairOf, randomSecret } from '../../src/identity/keys.js'
import { HyperNat as Library } from '../../src/index.js'
import { CONTROL_LIMITS, type ControlLimits } from '../../src/limits.js'
import { Journal } from '../../src/log/journal.js'
import { connectTcp, readSome } from '../support/clients.js'
import { until, within } from '../support/deadline.js'
import { type HyperNat, mainFile, writeOptions } from '../support/hyper-nat.js'
import type { Ending } from '../support/process.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

const isWindows = process.platform === 'win32'

/** A folder of control sockets, and the commands of whoever sits in front of it. */
class Desk {
  readonly folder: string

  constructor(readonly stage: Stage) {
    this.folder = mkdtempSync(join(tmpdir(), 'hn-control-'))
    stage.defer(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  get sockets(): string[] {
    return readdirSync(this.folder)
  }

  options(schema: readonly object[], bootstrap: readonly string[]): string {
    const written = writeOptions({ network: { bootstrap }, schema })
    this.stage.defer(() => written.remove())
    return written.file
  }

  /** Runs from a file. */
  daemon(file: string, ...args: string[]): HyperNat {
    const env = { HYPER_NAT_CONTROL: this.folder }
    return this.stage.start(['-c', file, '--json', ...args], { name: file, env })
  }

  start(...args: string[]): HyperNat {
    return this.stage.start(args, { env: { HYPER_NAT_CONTROL: this.folder } })
  }

  async run(...args: string[]): Promise<Ending> {
    return this.start(...args).end()
  }

  async json(...args: string[]): Promise<Record<string, unknown>[]> {
    const { stdout, code, stderr } = await this.run(...args, '--json')
    assert.equal(code, 0, stdout + stderr)
    return stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
  }

  async status(...args: string[]): Promise<DaemonStatus> {
    const [first, ...others] = await this.json('status', ...args)
    assert.deepEqual(others, [])
    return first as unknown as DaemonStatus
  }
}

staged('status, logs, reload and stop of a daemon with a guest', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const echo = await stage.use(listenTcpEcho())
  const secret = newSecret()
  const entry = { mode: 'server', secret, proto: 'tcp', port: echo.port }
  const file = desk.options([entry], bootstrap)

  const none = await desk.run('status')
  assert.equal(none.code, 1)
  assert.match(none.stderr, /NOT_RUNNING: No hyper-nat of this user is running\.\n$/)

  const server = desk.daemon(file)
  const { publicKey } = await server.event('ready')
  if (!isWindows) {
    const socket = join(desk.folder, `${server.pid}.sock`)
    assert.equal(statSync(socket).mode & 0o777, 0o600)
  }
  const guest = await stage.daemon([
    { mode: 'client', proto: 'tcp', port: echo.port, localPort: 0, publicKey }
  ])
  await guest.event('connected')
  const socket = await connectTcp(await guest.localPort('tcp', echo.port))
  stage.defer(() => socket.destroy())
  const say = async (bytes: number): Promise<void> => {
    socket.write(Buffer.alloc(bytes, 1))
    await readSome(socket, bytes)
  }

  // Numbers that move.
  await say(1000)
  const first = await desk.status('-c', file)
  assert.equal(first.pid, server.pid)
  assert.equal(first.servers[0]!.publicKey, publicKey)
  const session = first.servers[0]!.sessions[0]!
  assert.deepEqual([session.state, session.path, session.total.bytesIn], ['up', 'lan', 1000])
  assert.equal(first.servers[0]!.maps[0]!.flows, 1)
  await say(5000)
  const second = await desk.status()
  assert.equal(second.servers[0]!.sessions[0]!.total.bytesOut, 6000)
  assert.equal(second.servers[0]!.sessions[0]!.since, session.since)
  assert.ok(!JSON.stringify(second).includes(secret))
  const text = await desk.run('status')
  assert.equal(text.code, 0, text.stderr)
  assert.match(text.stdout, new RegExp(`process ${server.pid}, .*options.json`))
  assert.match(text.stdout, new RegExp(`tcp ${echo.port} +127.0.0.1 +1 +6.0 kB +6.0 kB`))
  assert.match(text.stdout, / lan +\d+ s +[\d.-]+/)
  const quiet = await desk.run('status', '--quiet')
  assert.deepEqual([quiet.code, quiet.stdout], [0, ''])

  // Again each second, with rates.
  const watching = desk.start('status', '--watch', '--json')
  const told = (): DaemonStatus[] => watching.events as unknown as DaemonStatus[]
  await until(10_000, 'a first look', () => told().length > 0)
  await say(50_000)
  await until(10_000, 'a rate', () =>
    told().some(one => one.servers[0]!.sessions[0]!.rates!.bytesIn > 10_000)
  )
  watching.kill('SIGINT')
  assert.equal((await watching.end()).code, 0)

  // What has happened, and what happens.
  const lines = await desk.json('logs')
  assert.ok(lines.some(line => line.event === 'connected' && typeof line.time === 'string'))
  const following = desk.start('logs', '-f', '-n', '0')
  await until(10_000, 'a follower', async () => {
    // Each reload is told.
    assert.equal((await desk.run('reload')).code, 0)
    return following.stdout.includes('Reloaded the options')
  })
  assert.doesNotMatch(following.stdout, /connected/, 'no more than was asked for')

  // A file with faults changes nothing, and all of them are told.
  const faulty = { ...entry, port: 0, proto: 'smtp' }
  writeFileSync(file, JSON.stringify({ network: { bootstrap }, schema: [faulty] }))
  const bad = await desk.run('reload')
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /not used as it is now.*schema\[0\]\.p(ort|roto).*schema\[0\]\.p(ort|roto)/s)
  await say(10)
  const other = { ...entry, proto: 'udp' }
  writeFileSync(file, JSON.stringify({ network: { bootstrap }, schema: [entry, other] }))
  const [reloaded] = await desk.json('reload')
  // The daemon may have noticed by itself.
  const change = await server.event('reloaded', { where: ({ added }) => added.length === 1 })
  assert.equal(change.added[0]!.proto, 'udp')
  assert.deepEqual(reloaded!.restart, [])
  if (!isWindows) {
    writeFileSync(file, JSON.stringify({ network: { bootstrap }, schema: [entry] }))
    server.kill('SIGHUP')
    await server.event('reloaded', { where: ({ removed }) => removed.length === 1 })
  }
  await say(10)

  // It ends as if by a signal, and is found no more.
  const stopped = await desk.run('stop')
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.equal((await server.end()).code, 0)
  await guest.event('disconnected', { where: ({ code }) => code === 'GOODBYE' })
  assert.equal((await following.end()).code, 0, 'who followed has seen the end')
  assert.deepEqual(desk.sockets, [])
  const node = await stage.use(new Library({ bootstrap, portMapping: false }))
  assert.equal(await node.find(publicKey), 0)
  assert.equal((await desk.run('stop')).code, 1)
})

staged('several daemons are distinguished; what a crash left is removed; none is asked for', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const echo = await stage.use(listenTcpEcho())
  const entries = () => [{ mode: 'server', secret: newSecret(), proto: 'tcp', port: echo.port }]
  const files = [desk.options(entries(), bootstrap), desk.options(entries(), bootstrap)]
  // One after the other: they are listed by their age.
  const one = desk.daemon(files[0]!)
  await one.event('ready')
  const two = desk.daemon(files[1]!)
  const keys = await Promise.all([one, two].map(async daemon => (await daemon.event('ready')).publicKey))

  const list = await desk.run('status')
  assert.equal(list.code, 0)
  for (const [i, daemon] of [one, two].entries()) {
    assert.match(list.stdout, new RegExp(`^${daemon.pid} .*${files[i]}$`, 'm'))
  }
  assert.equal((await desk.json('status')).length, 2)
  assert.equal((await desk.status('-c', files[1]!)).servers[0]!.publicKey, keys[1])
  assert.equal((await desk.status('--pid', `${one.pid}`)).servers[0]!.publicKey, keys[0])
  const which = await desk.run('stop')
  assert.equal(which.code, 2)
  assert.match(which.stderr, new RegExp(`SEVERAL_DAEMONS: 2 .*${one.pid} \\(.*${two.pid} \\(`))
  assert.ok(one.running && two.running)

  if (isWindows) return
  one.kill('SIGKILL')
  await one.end()
  assert.equal(desk.sockets.length, 2, 'a crash leaves the socket')
  assert.equal((await desk.status()).pid, two.pid)
  assert.deepEqual(desk.sockets, [`${two.pid}.sock`])

  // Flags and the file say where it is, or that it is not.
  const off = desk.daemon(files[0]!, '--control', 'off')
  await off.event('ready')
  assert.equal(desk.sockets.length, 1)
  const elsewhere = join(desk.folder, 'elsewhere')
  const settings = JSON.parse(readFileSync(files[0]!, 'utf8'))
  writeFileSync(files[0]!, JSON.stringify({ ...settings, control: elsewhere }))
  off.kill('SIGHUP')
  assert.deepEqual((await off.event('reloaded')).restart, [], 'the flag has the last word')
  const there = stage.start(['-c', files[0]!, '--json'], { env: { HYPER_NAT_CONTROL: '' } })
  await there.event('ready')
  assert.deepEqual(readdirSync(elsewhere), [`${there.pid}.sock`])
  const found = stage.start(['status', '-c', files[0]!, '--json'], { env: { HYPER_NAT_CONTROL: '' } })
  assert.equal(JSON.parse((await found.end()).stdout).pid, there.pid)
  assert.deepEqual(await there.stop(), { ...(await there.end()), code: 0 })
  assert.equal(existsSync(join(elsewhere, `${there.pid}.sock`)), false)
})

staged(
  'a guest of the public ticket is listed, blocked by the start of the key, and let in again',
  async stage => {
    const desk = new Desk(stage)
    const { bootstrap } = await stage.testnet()
    const echo = await stage.use(listenTcpEcho())
    const file = desk.options(
      [{ mode: 'server', secret: newSecret(), proto: 'tcp', port: echo.port }],
      bootstrap
    )
    const server = desk.daemon(file)
    const ready = await server.event('ready')
    assert.ok(ready.mode === 'server' && ready.ticket)
    const identity = join(file, '..', 'guest.key')
    const { stdout } = await desk.run('id', '--identity', identity)
    const key = stdout.trim()
    const joined = ['join', ready.ticket, '-l', '0', '--json', '--identity', identity]
    const guest = stage.start(joined)
    assert.equal((await server.event('connected')).peer, key)

    const guests = async () => (await desk.run('guests', '-c', file)).stdout
    assert.match(await guests(), new RegExp(`^ {2}${key}; with the public ticket; here now$`, 'm'))
    const [blocked] = await desk.json('block', `${key.slice(0, 8)}..`, '-c', file)
    assert.deepEqual([blocked!.action, blocked!.key, blocked!.applied], ['blocked', key, true])
    await guest.event('disconnected', { where: ({ code }) => code === 'NOT_INVITED' })
    assert.match(await guests(), new RegExp(`^ {2}${key}; blocked$`, 'm'))
    const [open] = await desk.json('unblock', key.slice(0, 8), '-c', file)
    assert.deepEqual([open!.action, open!.applied], ['unblocked', true])
    await guest.stop()
    const again = stage.start(joined)
    await again.event('connected')
  }
)

staged('server --save has the daemon that runs from the file share it', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const echo = await stage.use(listenTcpEcho())
  const share = { mode: 'server', secret: newSecret(), proto: 'tcp', port: echo.port }
  const file = desk.options([share], bootstrap)
  const daemon = desk.daemon(file)
  await daemon.event('ready')
  const line = ['server', '-p', '1/udp', '--save', '-c', file]
  const [saved] = await desk.json(...line)
  assert.equal(saved!.pid, daemon.pid)
  const shared = await daemon.event('ready', { where: ({ publicKey }) => publicKey === saved!.publicKey })
  assert.ok(shared.mode === 'server')
  assert.equal(shared.ticket, saved!.ticket)
  assert.deepEqual([saved!.maps, shared.maps], [shared.maps, [{ proto: 'udp', port: 1, host: '127.0.0.1' }]])
  const again = await desk.run(...line)
  assert.equal(again.code, 0)
  assert.ok(again.stdout.startsWith(`  hyper-nat join ${shared.ticket}\n`), again.stdout)
  assert.match(again.stdout, /has it already\nThe hyper-nat that runs from .*shares it\.\n$/)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).schema.length, 2)
})

staged('join --save, invite and revoke reach the daemon that runs from the file', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const echo = await stage.use(listenTcpEcho())
  const share = { mode: 'server', secret: newSecret(), proto: 'tcp', port: echo.port }
  const files = {
    server: desk.options([{ ...share, private: true }], bootstrap),
    client: desk.options([{ ...share, secret: newSecret() }], bootstrap)
  }
  const server = desk.daemon(files.server)
  await server.event('ready')
  const client = desk.daemon(files.client)
  await client.event('ready')

  const [invite] = await desk.json('invite', 'Anna', '-c', files.server)
  // What the daemon could not open does not come into its file, which it could not start from any more.
  const wrong = ['join', String(invite!.ticket), '--save', '-c', files.client, '--local-host', '192.0.2.5']
  const unopened = await desk.run(...wrong)
  assert.equal(unopened.code, 2)
  assert.match(unopened.stderr, /--local-host: 192\.0\.2\.5 is not an address of this computer/)
  assert.equal(JSON.parse(readFileSync(files.client, 'utf8')).schema.length, 1)
  const [saved] = await desk.json('join', String(invite!.ticket), '--save', '-c', files.client, '-l', '0')
  const maps = saved!.maps as { localPort: number }[]
  assert.equal(saved!.pid, client.pid)
  await client.event('connected')
  const socket = await connectTcp(maps[0]!.localPort)
  socket.write('hello')
  await readSome(socket, 5)
  // What is there already is not saved twice.
  const [again] = await desk.json('join', String(invite!.ticket), '--save', '-c', files.client, '-l', '0')
  assert.deepEqual(again!.maps, saved!.maps)
  assert.equal(JSON.parse(readFileSync(files.client, 'utf8')).schema.length, 2)

  // When guests were seen is written now and then; who is here is known at once.
  const guests = async () => {
    const [list] = await desk.json('guests', '-c', files.server)
    const [first] = list!.servers as { guests: { name: string; here?: number; lastSeen?: string }[] }[]
    return first!.guests
  }
  const [here] = await guests()
  assert.equal(here!.here, 1)
  assert.ok(Math.abs(Date.parse(here!.lastSeen!) - Date.now()) < 10_000)
  const told = await desk.run('guests', '-c', files.server)
  assert.match(told.stdout, /^ {2}"Anna"; here now$/m)

  const [revoked] = await desk.json('revoke', 'Anna', '-c', files.server)
  assert.equal(revoked!.applied, true)
  await client.event('disconnected', { where: ({ code }) => code === 'NOT_INVITED' })
  socket.destroy()

  // Flags cannot be read again.
  const bare = desk.start(
    'server',
    '-p',
    `${echo.port}`,
    '--protocol',
    'tcp',
    '--json',
    '-s',
    newSecret(),
    '--bootstrap',
    bootstrap[0]!
  )
  await bare.event('ready')
  const refused = await desk.run('reload', '--pid', `${bare.pid}`)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /NO_OPTIONS_FILE/)
})

staged('revoke says when the running server has not taken it up', async stage => {
  const { desk, file } = await listening(stage, {}, async () => {
    throw new HyperNatError('OPTIONS_UNREADABLE', 'The file cannot be read (EMFILE).')
  })
  const schema = ['Anna', 'Ben'].map(name => ({ name, nonce: Buffer.alloc(16, name).toString('hex') }))
  const server = {
    mode: 'server',
    secret: newSecret(),
    proto: 'tcp',
    port: 9,
    private: true,
    invites: schema
  }
  writeFileSync(file, JSON.stringify({ schema: [server] }))
  const [revoked] = await desk.json('revoke', 'Anna', '-c', file)
  assert.equal(revoked!.applied, false)
  const { code, stdout } = await desk.run('revoke', 'Ben', '-c', file)
  assert.equal(code, 0)
  assert.match(stdout, /"Ben" is not invited any more\.\n.* has not confirmed it.*\(EMFILE\)/)
})

staged('a guest is not reported as shut out while the running hyper-nat is silent', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const invites = [{ name: 'Anna', nonce: Buffer.alloc(16).toString('hex') }]
  const server = { mode: 'server', secret: newSecret(), proto: 'tcp', port: 9, private: true, invites }
  const file = desk.options([server], bootstrap)
  const daemon = desk.daemon(file)
  await daemon.event('ready')
  daemon.kill('SIGSTOP')
  const { stdout } = await desk.run('revoke', 'Anna', '-c', file)
  daemon.kill('SIGCONT')
  assert.match(stdout, /"Anna" is not invited any more\.\n.* has not confirmed it.* does not answer/)
})

/** A daemon of which only its control socket is real. */
async function listening(
  stage: Stage,
  limits: Partial<ControlLimits> = {},
  reload: Controlled['reload'] = async () => ({ added: [], removed: [], restart: [] })
) {
  const desk = new Desk(stage)
  const journal = new Journal({ ...CONTROL_LIMITS, ...limits })
  const file = join(realpathSync(desk.folder), 'options.json')
  writeFileSync(file, '{ "schema": [] }')
  const who = { pid: 4711, version: '0', since: 0, file }
  const daemon: Controlled = {
    journal,
    who: () => who,
    status: () => ({ ...who, at: 1, servers: [], clients: [], network: {} }) as unknown as DaemonStatus,
    reload,
    page: () => {
      throw new HyperNatError('NO_PAGE', 'none')
    },
    connect: () => {
      throw new HyperNatError('NO_SESSION', 'none')
    },
    stop() {}
  }
  const server = new ControlServer(daemon, { ...CONTROL_LIMITS, ...limits })
  const machine = thisMachine()
  const folder = foldersOf(desk.folder, machine)[0]!
  await server.open(folder, machine, who.pid)
  const address = addressOf(folder, who.pid, machine)
  stage.defer(() => {
    server.close()
    server.hangUp()
  })
  /** Says this, and gives all that comes until the other side hangs up, or `lines` have come. */
  const ask = async (text: string, lines = Number.POSITIVE_INFINITY): Promise<string[]> => {
    const socket = net.connect(address)
    let got = ''
    socket.setEncoding('utf8').on('data', data => {
      got += data
      if (got.split('\n').length > lines) socket.destroy()
    })
    socket.on('error', () => {})
    socket.write(text)
    await within(5000, once(socket, 'close'), () => `an end after ${got}`)
    return got.split('\n').slice(0, -1)
  }
  return { desk, file, journal, address, ask, limits: { ...CONTROL_LIMITS, ...limits } }
}

staged('a program that breaks the protocol gets an error, and others are served', async stage => {
  const { desk, ask, address, limits } = await listening(stage, { connections: 3 })
  const codes = (lines: string[]): unknown[] => lines.map(line => JSON.parse(line).error?.code ?? 'fine')
  assert.deepEqual(codes(await ask('{"id":1,"command":"brew"}\n{"id":"x","command":"who"}\n', 2)), [
    'UNKNOWN_COMMAND',
    'fine'
  ])
  // Names that every object has.
  assert.deepEqual(codes(await ask('{"id":1,"command":"toString"}\n', 1)), ['UNKNOWN_COMMAND'])
  for (const bad of ['nonsense', '[]', 'null', '{"id":1}', '{"id":{},"command":"who"}']) {
    assert.deepEqual(codes(await ask(`${bad}\n`)), ['BAD_REQUEST'], bad)
  }
  assert.deepEqual(codes(await ask('x'.repeat(limits.requestBytes + 1))), ['BAD_REQUEST'])
  // What was asked before is answered, and what follows is not.
  const mixed = ['{"id":1,"command":"who"}', 'nonsense', '{"id":2,"command":"who"}', '']
  assert.deepEqual(codes(await ask(mixed.join('\n'))), ['fine', 'BAD_REQUEST'])
  // More than anybody reads, which must not take the error with it.
  assert.deepEqual(codes(await ask('x'.repeat(4 << 20))), ['BAD_REQUEST'])

  const clients = await Promise.all([1, 2, 3].map(() => ControlClient.connect(address)))
  stage.defer(() => {
    for (const client of clients) client.close()
  })
  await Promise.all(clients.map(client => client.ask('who', 5000)))
  assert.deepEqual(codes(await ask('{"id":1,"command":"who"}\n')), ['TOO_MANY_CONNECTIONS'])
  const fourth = await ControlClient.connect(address)
  await assert.rejects(fourth.ask('who', 5000), err => codeOf(err) === 'TOO_MANY_CONNECTIONS')
  await assert.rejects(findDaemons({ control: desk.folder }), { code: 'TOO_MANY_CONNECTIONS' })
  assert.equal((await clients[0]!.ask('who', 5000)).pid, 4711)
})

staged('a reader of the log that does not keep up misses lines, and gets their number', async stage => {
  const { journal, address } = await listening(stage, { unreadBytes: 10_000 })
  const slow = net.connect(address)
  stage.defer(() => slow.destroy())
  slow.write('{"id":1,"command":"logs","lines":0,"follow":true}\n{"id":2,"command":"who"}\n')
  await within(5000, once(slow, 'data'), () => 'the answer behind the request')
  slow.pause()
  const line = (n: number): string =>
    JSON.stringify({ time: '2000-01-01T00:00:00Z', n, more: 'x'.repeat(500) })
  const count = 20_000
  for (let n = 0; n < count; n++) journal.add(line(n))
  let text = ''
  slow.setEncoding('utf8').on('data', data => {
    text += data
  })
  slow.resume()
  // The next line that there is room for tells.
  await until(10_000, 'what was left out', () => {
    journal.add(line(count))
    return text.includes('left_out')
  })
  const got = text.split('\n').filter(one => one.includes('"n":'))
  const { left_out } = JSON.parse(text.split('\n').find(one => one.includes('left_out'))!)
  assert.ok(left_out > count / 2, `${left_out} left out, ${got.length} came`)
})

/** A journal as full as it can be. */
function fill(journal: Journal): void {
  const { journalLines, journalBytes } = CONTROL_LIMITS
  const line = { time: '2000-01-01T00:00:00.000Z', event: 'warning', code: 'X', message: '' }
  const message = 'x'.repeat(journalBytes / journalLines - JSON.stringify(line).length)
  for (let n = 0; n < journalLines; n++) journal.add(JSON.stringify({ ...line, message }))
}

staged('all lines that are kept are shown, however many they are', async stage => {
  const { journal, desk } = await listening(stage)
  fill(journal)
  assert.equal(journal.last(Number.POSITIVE_INFINITY).length, CONTROL_LIMITS.journalLines)
  const { code, stdout } = await desk.run('logs')
  assert.equal(code, 0)
  assert.equal(stdout.split('\n').length - 1, CONTROL_LIMITS.journalLines)
})

staged('a reader that has gone ends logs quietly, as in logs | head', async stage => {
  const { journal, desk } = await listening(stage)
  fill(journal)
  const env = { ...process.env, HYPER_NAT_CONTROL: desk.folder }
  const child = spawn(process.execPath, [mainFile, 'logs'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  stage.defer(() => void child.kill('SIGKILL'))
  child.stdout.once('data', () => child.stdout.destroy())
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

/** A daemon that shows its status so many times, and then hangs up. */
async function showing(stage: Stage, desk: Desk, pid: number, times: number): Promise<void> {
  const who = { pid, version: '0', since: 0, file: null }
  const result = { ...who, at: 1, servers: [], clients: [], network: { nodes: 0 } }
  let shown = 0
  const server = await stage.use(
    net.createServer(socket => {
      socket.on('error', () => {}).setEncoding('utf8')
      socket.on('data', line => {
        const { id, command } = JSON.parse(String(line))
        if (command === 'status' && ++shown > times) socket.end()
        else socket.write(`${JSON.stringify({ id, result })}\n`)
      })
    })
  )
  server.listen(addressOf(foldersOf(desk.folder, thisMachine())[0]!, pid, thisMachine()))
  await once(server, 'listening')
}

staged('status -w ends with the daemon, also while it waits for an answer', async stage => {
  const desk = new Desk(stage)
  await showing(stage, desk, 4711, 1)
  const { code, stdout, stderr } = await desk.run('status', '-w')
  assert.match(stdout, /process 4711/)
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

staged('status shows the others when one of several ends meanwhile', async stage => {
  const desk = new Desk(stage)
  await showing(stage, desk, 4711, Number.POSITIVE_INFINITY)
  await showing(stage, desk, 4712, 1)
  const { code, stdout, stderr } = await desk.run('status')
  assert.equal(stderr, '')
  assert.match(stdout, /process 4711/)
  assert.equal(code, 0)
  // With none left, that is no success.
  const other = new Desk(stage)
  await showing(stage, other, 4713, 1)
  const alone = await other.run('status')
  assert.equal(alone.code, 1)
  assert.match(alone.stderr, /NOT_RUNNING/)
})

staged('two that ask at once get their own answers; a daemon that has ended is no answer', async stage => {
  const { address, journal } = await listening(stage)
  journal.add('{"time":"2000-01-01T00:00:00Z","event":"x"}')
  const client = await ControlClient.connect(address)
  const lines: unknown[] = []
  const [who, status] = await Promise.all([
    client.ask('who', 5000),
    client.ask('status', 5000),
    client.logs(
      {},
      line => lines.push(line),
      () => {}
    )
  ])
  assert.equal(who.pid, 4711)
  assert.equal(status.at, 1)
  assert.deepEqual(lines, [{ time: '2000-01-01T00:00:00Z', event: 'x' }])
  client.close()
  await client.closed
  await assert.rejects(client.ask('who', 5000), err => codeOf(err) === 'CONTROL_FAILED')
})

staged('a daemon that runs and does not answer is distinguished from none', async stage => {
  const desk = new Desk(stage)
  const machine = thisMachine()
  const folder = foldersOf(desk.folder, machine)[0]!
  const paused = net.createServer()
  const sockets: net.Socket[] = []
  paused.on('connection', socket => sockets.push(socket.on('error', () => {})))
  paused.listen(addressOf(folder, 4712, machine))
  await once(paused, 'listening')
  stage.defer(() => {
    for (const socket of sockets) socket.destroy()
    paused.close()
  })
  const find = (pid?: number) =>
    findDaemons({ control: desk.folder, pid }, machine, { ...CONTROL_LIMITS, whoMs: 200 })
  await assert.rejects(find(), { code: 'CONTROL_FAILED', message: /process 4712, but does not answer/ })
  await assert.rejects(find(4712), { code: 'CONTROL_FAILED' })
  assert.deepEqual(await find(4713), [])
})

staged('malformed answers fail with CONTROL_FAILED, not with an internal error', async stage => {
  const said = [
    'null',
    '5',
    '[]',
    '{}',
    '{"id":1}',
    '{"id":1,"error":null}',
    '{"id":1,"error":{"code":5}}',
    '{"id":1,"error":{"code":"X","message":"x","faults":5}}',
    '{"id":1,"error":{"code":"X","message":"x","faults":[null]}}',
    '{"id":1,"line":null}',
    '{"id":1,"result":null}',
    '{"id":1,"result":{"pid":1,"since":1,"servers":[null],"clients":[],"network":{}}}',
    '{"id":1,"result":{"pid":1,"since":1,"servers":[],"clients":[]}}'
  ]
  const folder = mkdtempSync(join(tmpdir(), 'hn-control-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const address = addressOf(foldersOf(folder, thisMachine())[0]!, 4711, thisMachine())
  const server = await stage.use(
    net.createServer(socket => socket.on('data', () => socket.write(`${said[0]}\n`)))
  )
  server.listen(address)
  await once(server, 'listening')
  for (; said.length > 0; said.shift()) {
    const client = await ControlClient.connect(address)
    await assert.rejects(client.ask('status', 5000), { code: 'CONTROL_FAILED' }, said[0])
    client.close()
    await client.closed
  }
})

staged('where the ports are too many for a ticket, the line for a client is shown', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const port = Array.from({ length: 300 }, (_, i) => 10_000 + 2 * i).join(',')
  const server = desk.daemon(
    desk.options([{ mode: 'server', secret: newSecret(), proto: 'tcp', port }], bootstrap)
  )
  const { publicKey } = await server.event('ready')
  const line = `hyper-nat client -l "${port}" -r "${port}" --protocol tcp -k ${publicKey}`
  for (const flags of [[], ['--qr']]) {
    const { code, stdout } = await desk.run('ticket', ...flags)
    assert.equal(code, 0)
    assert.ok(stdout.endsWith(`: too much for one ticket; guests join with\n  ${line}\n`), stdout)
  }
  await server.stop()

  const guest = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
  const flags = ['-p', port, '--protocol', 'tcp', '-s', newSecret(), '--private', '--allow', guest]
  const own = desk.start('server', ...flags, '--bootstrap', bootstrap.join(','), '--json')
  const ready = await own.event('ready')
  const { stdout } = await desk.run('ticket', '--qr')
  assert.ok(stdout.endsWith(` -k ${ready.publicKey} --identity FILE\n`), stdout)
})

staged('the page and the tickets of what runs are found again', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const secrets = [newSecret(), newSecret()]
  const file = desk.options(
    [
      { mode: 'server', secret: secrets[0]!, proto: 'tcp', port: 4000, name: 'Web' },
      { mode: 'server', secret: secrets[1]!, proto: 'udp', port: 4001, private: true }
    ],
    bootstrap
  )
  const daemon = desk.start('ui', '-c', file, '--no-open', '--json')
  const { url } = await daemon.event('ui')
  const web = await daemon.event('ready', { where: ({ maps }) => maps[0]?.port === 4000 })
  assert.ok(web.mode === 'server' && web.ticket)
  const { ticket } = web

  // A second start shows the page of the first, whatever folder it is started in, and ends.
  for (const args of [['-c', file], []]) {
    const [shown] = await desk.json('ui', ...args)
    assert.equal(shown!.url, url)
    const { once: code } = shown as { once: string }
    const entered = await fetch(new URL('/api/enter', url), {
      method: 'POST',
      body: JSON.stringify({ code: new URL(code).hash.slice('#code='.length) })
    })
    assert.equal(entered.status, 200)
  }
  const text = (await desk.run('ui', '-c', file, '--no-open')).stdout
  assert.ok(text.includes(`running already (process ${daemon.pid}`) && text.includes(url), text)

  const status = (await desk.run('status')).stdout
  assert.ok(status.includes(`Control page: ${url}\n`), status)
  assert.equal(status.match(/hyper-nat join hnat1/g)?.length, 1)
  const tickets = await desk.run('ticket')
  assert.ok(tickets.stdout.includes(`Web\n  hyper-nat join ${ticket}\n`), tickets.stdout)
  assert.match(
    tickets.stdout,
    /udp 4001: only invited guests can join; .*\n {2}hyper-nat invite NAME -c \S+ --server \w{8}\n/
  )
  // Here is no options.json.
  const elsewhere = (await desk.run('invite', 'Anna')).stderr
  assert.match(elsewhere, /OPTIONS_NOT_FOUND.*\nthe hyper-nat that runs has another file: add -c "\S+"\n$/)
  const told = await desk.json('ticket')
  assert.deepEqual(
    told.map(one => one.ticket),
    [ticket, undefined]
  )
})

staged('a second daemon from one file warns, and says which runs; not after a crash', async stage => {
  const desk = new Desk(stage)
  const { bootstrap } = await stage.testnet()
  const entry = {
    mode: 'client',
    proto: 'tcp',
    port: 80,
    localPort: 0,
    publicKey: encodeKey(keyPairOf(randomSecret()).publicKey)
  }
  const file = desk.options([entry], bootstrap)
  const inUse = async (daemon: HyperNat): Promise<string[]> => {
    await daemon.event('ready')
    return daemon.events.flatMap(event =>
      event.event === 'warning' && event.code === 'FILE_IN_USE' ? [event.message] : []
    )
  }
  const first = desk.daemon(file)
  assert.deepEqual(await inUse(first), [])
  const other = desk.daemon(desk.options([entry], bootstrap))
  assert.deepEqual(await inUse(other), [], 'another file')
  const second = desk.daemon(file)
  const [message = '', ...more] = await inUse(second)
  assert.deepEqual(more, [])
  assert.ok(message.includes(`(process ${first.pid})`), message)
  assert.ok(message.includes(`hyper-nat stop --pid ${first.pid}`), message)
  await second.stop()
  first.kill('SIGKILL')
  await first.end()
  assert.deepEqual(await inUse(desk.daemon(file)), [], 'after a crash')
})
