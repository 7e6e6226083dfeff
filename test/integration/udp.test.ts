// UDP maps, as programs on both sides see them.
import assert from 'node:assert/strict'
import { UdpClient } from '../support/clients.js'
import { pause, until } from '../support/deadline.js'
import { isLinux } from '../support/machine.js'
import { bindUdp, bindUdpEcho, freePort } from '../support/servers.js'
import { clientEntries, newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

/** A tunnel to one UDP server. */
async function udpTunnel(stage: Stage, target: { port: number }, extra: Record<string, unknown> = {}) {
  const tunnel = await stage.tunnel([{ proto: 'udp', port: target.port }], { server: extra, client: extra })
  const localPort = await tunnel.localPort('udp', target.port)
  return { ...tunnel, localPort, program: () => stage.use(UdpClient.open(localPort)) }
}

staged('payloads of 0 to 65507 bytes come back as they were sent', async stage => {
  const target = await stage.use(bindUdpEcho())
  const { program } = await udpTunnel(stage, target)
  const client = await program()
  const edges = [0, 1, 2, 100, 1199, 1200, 1201, 1399, 1400, 1401, 1452, 1472, 1473, 1500, 2004, 2005, 4096]
  const large = [9000, 16_384, 32_768, 65_000, 65_506, 65_507]
  const drawn = Array.from({ length: 30 }, () => stage.random.between(0, 65_507))
  for (const size of [...edges, ...large, ...drawn]) await client.echo(stage.random.bytes(size))
})

staged('an empty datagram is a datagram', async stage => {
  const target = await stage.use(bindUdp((_, from, socket) => socket.send('', from.port, from.address)))
  const { program } = await udpTunnel(stage, target)
  const client = await program()
  await client.echo(Buffer.alloc(0))
  assert.equal(target.got[0]?.data.length, 0)
})

staged('each program has its own port at the target and gets its own replies', async stage => {
  const target = await stage.use(
    bindUdp((data, from, socket) => socket.send(`${data} for ${from.port}`, from.port, from.address))
  )
  const { program } = await udpTunnel(stage, target)
  const programs = await Promise.all(Array.from({ length: 20 }, program))
  const ports = new Set<string>()
  await Promise.all(
    programs.map(async (client, i) => {
      for (let n = 0; n < 10; n++) {
        await client.send(Buffer.from(`program ${i} message ${n}`))
        const reply = await client.receive(got => got.toString().startsWith(`program ${i} message ${n} `))
        ports.add(`${i}: ${reply.toString().split(' for ')[1]}`)
      }
    })
  )
  assert.equal(ports.size, programs.length, `one port each: ${[...ports].join(', ')}`)
  assert.equal(new Set([...ports].map(p => p.split(': ')[1])).size, programs.length, 'no port shared')
  for (const [i, client] of programs.entries()) {
    for (const got of client.got) assert.match(got.toString(), new RegExp(`^program ${i} `))
  }
})

staged('a program that starts again on another port, or on the same, works at once', async stage => {
  const target = await stage.use(bindUdpEcho())
  const { localPort } = await udpTunnel(stage, target)
  let port = 0
  for (let start = 0; start < 4; start++) {
    const client = await UdpClient.open(localPort, '127.0.0.1', start === 3 ? port : 0)
    port = client.localPort
    await client.echo(Buffer.from(`start ${start}`), 1_000)
    await client.close()
  }
})

staged('the target can speak first once it knows the program, and as often as it wants', async stage => {
  const target = await stage.use(
    bindUdp((_, from, socket) => {
      for (let i = 0; i < 50; i++) socket.send(`news ${i}`, from.port, from.address)
    })
  )
  const { program } = await udpTunnel(stage, target)
  const client = await program()
  await client.send(Buffer.from('subscribe'))
  await client.receive(got => got.toString() === 'news 49')
  assert.ok(client.got.length >= 45, `${client.got.length} of 50`)
})

staged('no datagram arrives twice, and hardly any is lost', async stage => {
  const target = await stage.use(bindUdp(() => {}))
  const { program } = await udpTunnel(stage, target)
  const client = await program()
  await client.send(Buffer.from('hello'))
  await until(5_000, 'the first datagram', () => target.got.length === 1)
  const COUNT = 3_000
  for (let i = 0; i < COUNT; i++) {
    await client.send(Buffer.from(`datagram ${i} ${'.'.repeat(i % 2_500)}`))
    if (i % 50 === 49) await pause(5)
  }
  await client.send(Buffer.from('last'))
  await until(5_000, 'the last datagram', () => target.got.at(-1)?.data.toString() === 'last')
  const names = target.got.map(({ data }) => data.toString().split(' .')[0])
  assert.equal(new Set(names).size, names.length, 'no duplicates')
  stage.t.diagnostic(`${names.length - 2} of ${COUNT} arrived`)
  assert.ok(names.length - 2 > COUNT * 0.95, `${names.length - 2} of ${COUNT} arrived`)
  assert.equal(new Set(target.got.map(({ from }) => from.port)).size, 1, 'one source port')
})

staged('of the datagrams sent before the session is up, the latest few arrive', async stage => {
  const target = await stage.use(bindUdpEcho())
  const shares = [{ proto: 'udp', port: target.port }]
  const secret = newSecret()
  const first = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server' })
  const { publicKey } = await first.event('ready')
  await first.stop()

  const client = await stage.daemon(clientEntries(shares, publicKey), {}, { name: 'client' })
  await client.event('waiting')
  const program = await stage.use(UdpClient.open(await client.localPort('udp', target.port)))
  // As a game does that looks for its host: on and on. What was sent in the last moment should arrive, the rest not.
  let sent = 0
  const sending = setInterval(() => program.send(Buffer.from(`${sent++}`)).catch(() => {}), 10)
  stage.defer(() => clearInterval(sending))
  await until(10_000, '300 datagrams', () => sent >= 300)
  await stage.daemon(serverEntries(shares, secret), {}, { name: 'server, later' })
  await client.event('connected')
  const sentBefore = sent
  await until(5_000, 'a datagram sent after the connection', () =>
    target.got.some(({ data }) => Number(data) > sentBefore)
  )
  clearInterval(sending)
  const kept = target.got.filter(({ data }) => Number(data) < sentBefore)
  stage.t.diagnostic(`${kept.length} of ${sentBefore} were kept`)
  assert.ok(kept.length > 0, 'not none')
  assert.ok(kept.length < 200, 'not all')
  assert.ok(Number(kept.at(-1)?.data) > sentBefore - 100, 'the latest')
})

staged('a flow that is idle is forgotten, one in use is not', async stage => {
  const target = await stage.use(bindUdpEcho())
  const { program } = await udpTunnel(stage, target, { udpIdle: 2 })
  const [idle, busy] = [await program(), await program()]
  await idle.echo(Buffer.from('idle 1'))
  await busy.echo(Buffer.from('busy 1'))
  for (let i = 2; i <= 9; i++) {
    await pause(500)
    await busy.echo(Buffer.from(`busy ${i}`))
  }
  await idle.echo(Buffer.from('idle 2'))
  const ports = (name: string) =>
    new Set(target.got.filter(({ data }) => data.toString().startsWith(name)).map(({ from }) => from.port))
  assert.equal(ports('busy').size, 1, 'the busy flow kept its port')
  assert.equal(ports('idle').size, 2, 'the idle flow got a new one')
})

staged('flows are bounded in number: the one idle longest makes room, and the log says so', async stage => {
  const target = await stage.use(bindUdpEcho())
  const LIMIT = 16
  const { program, client, server } = await udpTunnel(stage, target, { limits: { udpFlows: LIMIT } })
  const game = await program()
  const oldest = await program()
  const others = await Promise.all(Array.from({ length: LIMIT - 2 }, program))
  for (const [i, one] of [game, oldest, ...others].entries()) await one.echo(Buffer.from(`${i} begins`))
  const late = await Promise.all(Array.from({ length: LIMIT }, program))
  for (const [i, one] of late.entries()) await one.send(Buffer.from(`late ${i}`))
  await game.echo(Buffer.from('game'))
  const ports = (of: UdpClient): number =>
    new Set(
      target.got.filter(({ data }) => of.got.some(got => got.equals(data))).map(({ from }) => from.port)
    ).size
  assert.equal(target.got.filter(({ data }) => data.toString().startsWith('late')).length, 0)
  const [newcomer] = late
  await until(10_000, 'an idle flow to make room', async () => {
    await game.echo(Buffer.from('game goes on'))
    await newcomer!.send(Buffer.from('newcomer'))
    await pause(100)
    return newcomer!.got.length > 0
  })
  await oldest.echo(Buffer.from('oldest again'))
  await game.echo(Buffer.from('game to the end'))
  assert.equal(ports(oldest), 2, 'the oldest was forgotten')
  assert.equal(ports(game), 1, 'one in use was not, however many others came')
  const { stderr } = client
  for (const what of [/new ones are dropped/g, /the one idle longest made room/g]) {
    assert.equal(stderr.match(what)?.length, 1, `said once, not for each of them: ${stderr}`)
  }
  assert.match(server.stderr, /too many UDP flows: /)
})

staged('a target that nothing can be sent to ends nothing but its own flow', async stage => {
  const target = await stage.use(bindUdpEcho())
  // Sockets may not be connected there without having been asked to broadcast; without a route it is the same.
  const unrouted = { proto: 'udp', port: await freePort(), host: '255.255.255.255' }
  const unknown = { proto: 'udp', port: await freePort(), host: 'nowhere.invalid' }
  const tunnel = await stage.tunnel([{ proto: 'udp', port: target.port }, unrouted, unknown])
  const program = async ({ port }: { port: number }) =>
    stage.use(UdpClient.open(await tunnel.localPort('udp', port)))
  for (const share of [unrouted, unknown]) {
    const lost = await program(share)
    for (let i = 0; i < 3; i++) await lost.send(Buffer.from(`lost ${i}`))
    // A name server that does not answer is asked for some 10 s.
    await tunnel.server.says(
      new RegExp(`TARGET_UNREACHABLE.*${share.host}|${share.host}.*TARGET_UNREACHABLE`),
      15_000
    )
  }
  await (await program(target)).echo(Buffer.from('still there'))
})

staged(
  'two maps on one local port, at two addresses, lead where each should',
  async stage => {
    const targets = [await stage.use(bindUdpEcho()), await stage.use(bindUdpEcho())]
    const secret = newSecret()
    const shares = targets.map(({ port }) => ({ proto: 'udp', port }))
    const server = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server' })
    const { publicKey } = await server.event('ready')
    const probe = await bindUdp(() => {})
    const localPort = probe.port
    await probe.close()
    const entries = clientEntries(shares, publicKey)
    const client = await stage.daemon(
      entries.map((entry, i) => ({ ...entry, localPort, localHost: `127.0.0.${i + 1}` })),
      {},
      { name: 'client' }
    )
    await client.event('connected')
    const program = await stage.use(bindUdp(() => {}))
    for (const [i, { got }] of targets.entries()) {
      program.socket.send(`for ${i}`, localPort, `127.0.0.${i + 1}`)
      await until(5_000, `what is for target ${i}`, () => got.length > 0)
      assert.deepEqual(
        got.map(({ data }) => `${data}`),
        [`for ${i}`]
      )
    }
  },
  { skip: !isLinux && 'needs 127.0.0.2' }
)
