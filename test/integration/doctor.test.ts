// hyper-nat doctor and hyper-nat ping on this machine: what they find, how they say it, how they end.
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import type { PingAnswer, PingSummary } from '../../src/client/ping.js'
import {
  type Check,
  type ClientHandle,
  type ConnectionInfo,
  type Diagnosis,
  diagnose,
  HyperNat,
  HyperNatError
} from '../../src/index.js'
import type { HyperNat as Program } from '../support/hyper-nat.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

/** A server whose maps lead nowhere: nobody opens them here. */
async function serve(stage: Stage): Promise<{ server: Program; publicKey: string }> {
  const shares = [
    { proto: 'tcp', port: 25565 },
    { proto: 'udp', port: 27015 }
  ]
  const server = await stage.daemon(serverEntries(shares, newSecret()), {}, { name: 'server' })
  const { publicKey } = await server.event('ready')
  return { server, publicKey }
}

/** A key under which nobody ever served. */
async function strangeKey(stage: Stage): Promise<string> {
  const { server, publicKey } = await serve(stage)
  const { code } = await server.stop()
  assert.equal(code, 0)
  return publicKey
}

/** What the doctor says with `--json`: one object, and nothing else anywhere. */
async function ask(stage: Stage, args: readonly string[] = []): Promise<Diagnosis & { code: number | null }> {
  const doctor = await stage.run(['doctor', ...args], 'doctor')
  const { code, stdout, stderr } = await doctor.end(40_000)
  assert.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 1, stdout)
  const { event, ...diagnosis } = JSON.parse(lines[0]!) as Diagnosis & { event: string }
  assert.equal(event, 'diagnosis')
  return { ...diagnosis, code }
}

function verdicts({ checks }: Pick<Diagnosis, 'checks'>): Record<string, string> {
  return Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
}

staged('doctor: nodes on this machine tell nothing of a router, and it says so', async stage => {
  const found = await ask(stage)
  assert.equal(found.code, 0)
  assert.equal(found.ok, true)
  assert.deepEqual([found.nat.kind, found.nat.unknown], ['unknown', 'inside'])
  assert.equal(found.network.answered, found.network.asked)
  assert.ok(found.network.answered >= 3)
  assert.equal(found.server, null)
  assert.equal(found.portMapping, null)
  assert.deepEqual(verdicts(found), { version: 'ok', network: 'ok', nat: 'note', clock: 'ok' })
})

staged('doctor: a server that runs', async stage => {
  const { server, publicKey } = await serve(stage)
  const found = await ask(stage, ['-k', publicKey])
  assert.equal(found.code, 0)
  const { server: finding } = found
  assert.ok(finding)
  assert.ok(finding.knownBy > 0)
  assert.equal(finding.connected, true)
  assert.equal(finding.path, 'lan')
  assert.equal(finding.direct, true)
  assert.equal(finding.loss, 0)
  assert.ok(finding.rtt !== null && finding.rtt > 0 && finding.rtt < 1000)
  assert.ok(finding.jitter !== null)
  assert.deepEqual(finding.shared, [
    { proto: 'tcp', port: 25565 },
    { proto: 'udp', port: 27015 }
  ])
  assert.equal(finding.inTheWay, null)
  // It leaves as a guest does.
  await server.event('disconnected', { where: e => e.code === 'GOODBYE' })
})

staged('doctor: a server that was stopped, one that died, and what to do', async stage => {
  const never = await ask(stage, ['-k', await strangeKey(stage)])
  assert.equal(never.code, 1)
  assert.equal(never.server?.code, 'SERVER_NOT_FOUND')
  assert.equal(never.server?.knownBy, 0)
  assert.equal(never.server?.inTheWay, 'there')

  const { server, publicKey } = await serve(stage)
  server.kill('SIGKILL')
  await server.end()
  const died = await ask(stage, ['-k', publicKey])
  assert.equal(died.code, 1)
  assert.equal(died.server?.code, 'SERVER_NOT_RUNNING')
  assert.ok(died.server.knownBy > 0, 'the network has not forgotten it yet')
  assert.equal(died.server.inTheWay, 'there')
  const [problem, ...others] = died.checks.filter(({ verdict }) => verdict === 'problem')
  assert.equal(problem?.name, 'server')
  assert.match(problem.advice ?? '', /Start hyper-nat there/)
  assert.deepEqual(others, [])
})

staged('doctor: no node at the given addresses, or a firewall', async stage => {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const node = `127.0.0.1:${socket.address().port}`
  const look = async (): Promise<Diagnosis & { code: number | null }> => {
    const doctor = stage.start(['doctor', '--json', '--bootstrap', node])
    const { code, stdout } = await doctor.end(40_000)
    return { ...(JSON.parse(stdout) as Diagnosis), code }
  }
  // Packets vanish there, while TCP is refused.
  const blocked = await look()
  assert.deepEqual([blocked.network.contact, blocked.nat.kind, blocked.code], ['blocked', 'blocked', 1])
  socket.close()
  await once(socket, 'close')
  const nobody = await look()
  assert.deepEqual([nobody.network.contact, nobody.nat.kind, nobody.code], ['refused', 'unknown', 1])
  assert.deepEqual(verdicts(nobody), { version: 'ok', network: 'problem', clock: 'ok' })
})

staged('doctor: text for people, where each problem is followed by what to do', async stage => {
  const { bootstrap } = await stage.testnet()
  const key = await strangeKey(stage)
  const doctor = stage.start(['doctor', '-k', key, '--bootstrap', bootstrap.join(',')])
  const { code, stdout, stderr } = await doctor.end(40_000)
  assert.equal(code, 1)
  assert.equal(stderr, '')
  assert.match(stdout, /^[\x20-\x7e\n]+$/)
  assert.match(stdout, /^This takes .*\n\nok {7}hyper-nat \d/)
  assert.match(
    stdout,
    /\nPROBLEM {2}No server with this public key.*\n(?: {9}\w.*\n)* {9}-> Start hyper-nat there/
  )
  assert.match(stdout, /\n\nOne problem was found.\n$/)
})

staged('doctor: ended early', async stage => {
  const { bootstrap } = await stage.testnet()
  // Before any node answers.
  const early = stage.start(['doctor', '--bootstrap', '127.0.0.1:9'])
  await early.says(/ok {7}hyper-nat/)
  early.kill('SIGINT')
  assert.equal((await early.end(3000)).code, 0)

  const signal = AbortSignal.abort()
  await assert.rejects(diagnose({ bootstrap, signal }), { code: 'CLOSED' })
})

staged('the library: what the doctor finds as it finds it', async stage => {
  const { bootstrap } = await stage.testnet()
  const told: Check[] = []
  const diagnosis = await diagnose({ bootstrap, oncheck: check => told.push(check) })
  assert.deepEqual(told, diagnosis.checks)
  await assert.rejects(diagnose({ publicKey: 'nonsense' }), { code: 'BAD_PUBLIC_KEY' })
})

staged('doctor and ping: several hosts under one secret are distinguished', async stage => {
  const secret = newSecret()
  const host = async (name: string): Promise<{ server: Program; publicKey: string }> => {
    const shares = [{ proto: 'tcp', port: 25565 }]
    const server = await stage.daemon(serverEntries(shares, secret), {}, { name })
    return { server, publicKey: (await server.event('ready')).publicKey }
  }
  const servers = [await host('first'), await host('second')]
  const { publicKey } = servers[0]!
  const found = await ask(stage, ['-k', publicKey])
  assert.equal(found.code, 0, JSON.stringify(found))
  const names = await Promise.all(
    servers.map(async ({ server }) => (await server.event('connected')).host as string)
  )
  const { hosts } = found.server!
  assert.deepEqual(hosts.map(({ host }) => host).sort(), [...names].sort())
  assert.equal(hosts.filter(({ used }) => used).length, 1)
  for (const { path, rtt, loss } of hosts) {
    assert.equal(path, 'lan')
    assert.equal(loss, 0)
    assert.ok(rtt !== null && rtt < 1000)
  }
  const lines = found.checks.filter(({ name }) => name === 'host')
  assert.equal(lines.length, 2)
  for (const name of names) assert.equal(lines.filter(({ message }) => message.includes(name)).length, 1)

  const ping = await stage.run(['ping', '-k', publicKey, '-c', '2'], 'ping')
  const { stdout } = await ping.end(20_000)
  const [first] = stdout.split('\n')
  assert.ok(names.includes((JSON.parse(first!) as PingAnswer).host!), stdout)
})

staged('doctor and ping: a ticket names the server, and the network that it is in', async stage => {
  const { server } = await serve(stage)
  const { ticket } = (await server.event('ready')) as { ticket?: string }
  const doctor = stage.start(['doctor', '--json', ticket!])
  const { code, stdout } = await doctor.end(40_000)
  assert.equal(code, 0, stdout)
  assert.equal((JSON.parse(stdout) as Diagnosis).server?.connected, true)
  const ping = stage.start(['ping', '-c', '1', ticket!])
  const said = await ping.end(20_000)
  assert.equal(said.code, 0, said.stdout + said.stderr)
  const both = stage.start(['ping', '-k', 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA', ticket!])
  const refused = await both.end(20_000)
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /-k: cannot be combined with a ticket/)
})

staged('doctor: an invite that is in use on all its devices', async stage => {
  const { bootstrap } = await stage.testnet()
  const host = await stage.use(new HyperNat({ bootstrap }))
  const maps = [{ proto: 'tcp', port: 25565 }] as const
  const shared = await host.share({ secret: newSecret(), maps, private: true })
  const { ticket } = shared.invite({ name: 'Anna', maxDevices: 1 })
  const guest = await stage.use(new HyperNat({ bootstrap }))
  const connected = new Promise<void>(resolve => {
    guest.on('event', event => event.event === 'connected' && resolve())
  })
  await guest.open({ ticket, maps: [] })
  await connected
  const doctor = stage.start(['doctor', '--json', ticket])
  const { code, stdout } = await doctor.end(40_000)
  assert.equal(code, 1)
  const { server, checks } = JSON.parse(stdout) as Diagnosis
  assert.deepEqual([server?.code, server?.inTheWay], ['TOO_MANY_DEVICES', 'there'])
  const problems = checks.filter(({ verdict }) => verdict === 'problem')
  assert.deepEqual(
    problems.map(({ name }) => name),
    ['server']
  )
  assert.match(problems[0]!.advice!, /Stop hyper-nat on one of them/)
})

/** The lines of `ping --json`. */
function lines(stdout: string): { answers: PingAnswer[]; summary: PingSummary } {
  const all = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  const summary = all.pop()
  assert.equal(summary.event, 'summary')
  for (const { event } of all) assert.equal(event, 'ping')
  return { answers: all, summary }
}

staged('ping -c 3', async stage => {
  const { publicKey } = await serve(stage)
  const ping = await stage.run(['ping', '-k', publicKey, '-c', '3', '-i', '0.2'])
  const { code, stdout, stderr } = await ping.end()
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  const { answers, summary } = lines(stdout)
  assert.deepEqual(
    answers.map(({ seq, path, waiting }) => [seq, path, waiting]),
    [1, 2, 3].map(seq => [seq, 'lan', null])
  )
  for (const { rtt } of answers) assert.ok(rtt !== null && rtt > 0 && rtt < 1000)
  assert.deepEqual([summary.sent, summary.answered, summary.loss, summary.path], [3, 3, 0, 'lan'])
  assert.equal(summary.publicKey, publicKey)
  assert.ok(summary.min !== null && summary.min <= summary.mean! && summary.mean! <= summary.max!)
})

staged('ping: a server that is not there', async stage => {
  const ping = await stage.run(['ping', '-k', await strangeKey(stage), '-c', '2', '-i', '0.1'])
  const { code, stdout } = await ping.end()
  assert.equal(code, 1)
  const { answers, summary } = lines(stdout)
  assert.deepEqual(
    answers.map(({ rtt, path, waiting }) => [rtt, path, waiting?.code]),
    [1, 2].map(() => [null, null, 'SERVER_NOT_FOUND'])
  )
  assert.deepEqual([summary.sent, summary.answered, summary.loss], [2, 0, 1])
})

staged('ping continues until it is stopped, over a restart of the server', async stage => {
  const { bootstrap } = await stage.testnet()
  const { server, publicKey } = await serve(stage)
  const ping = stage.start(['ping', '-k', publicKey, '-i', '0.1', '--bootstrap', bootstrap.join(',')])
  await ping.says(/^seq=2 path=lan time=\d+\.\d ms$/m)
  await server.stop()
  await ping.says(/no connection \(SERVER_NOT_FOUND\)/)
  ping.kill('SIGINT')
  const { code, stdout, stderr } = await ping.end()
  assert.equal(code, 0, stderr)
  assert.match(stdout, /\n--- \w{8}\.\. ---\n\d+ sent, \d+ answered, [\d.]+ % lost, path lan\nround trip min/)
})

async function connectionOf(node: HyperNat, opened: ClientHandle): Promise<ConnectionInfo> {
  for (;;) {
    const { connection } = opened
    if (connection) return connection
    await once(node, 'event')
  }
}

staged('the library: ping, the connection, and what a server shares', async stage => {
  const { bootstrap } = await stage.testnet()
  const { publicKey } = await serve(stage)
  const node = new HyperNat({ bootstrap })
  stage.defer(() => node.close())
  assert.ok((await node.find(publicKey)) > 0)
  const summary = await node.ping({ publicKey, count: 2, intervalMs: 10 })
  assert.equal(summary.answered, 2)

  const opened = await node.open({ publicKey, maps: [] })
  assert.deepEqual(opened.maps, [])
  assert.equal(opened.connection, null)
  assert.equal(await opened.ping(), null)
  const connection = await connectionOf(node, opened)
  assert.equal(connection.path, 'lan')
  assert.equal(connection.shared.length, 2)
  assert.ok((await opened.ping()) !== null)
  await opened.close()
  await assert.rejects(node.ping({ publicKey: 'nonsense' }), (err: unknown) => {
    return err instanceof HyperNatError && err.code === 'BAD_PUBLIC_KEY'
  })
})
