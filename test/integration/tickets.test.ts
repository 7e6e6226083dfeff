// From the ticket that a server shows to a program that plays over it.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeKey } from '../../src/identity/encoding.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { ownAddresses } from '../../src/lan/own-addresses.js'
import { isIPv4Loopback } from '../../src/text/address.js'
import { connectTcp, readAll } from '../support/clients.js'
import { shippedRecipe, userRecipes } from '../support/games.js'
import { freePort, listenTcp, listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

function folderOf(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Two free ports, one behind the other. */
async function twoPorts(): Promise<[number, number]> {
  for (;;) {
    const port = await freePort()
    try {
      await (await listenTcp(() => {}, { port: port + 1 })).close()
      return [port, port + 1]
    } catch {
      // Somebody has the next one.
    }
  }
}

/** A server that shares an echo, and its ticket. */
async function shared(stage: Stage, extra: string[] = []) {
  const target = await stage.use(listenTcpEcho())
  const args = ['server', '-p', `${target.port}`, '--protocol', 'tcp', '-s', newSecret(), ...extra]
  const server = await stage.run(args, 'server')
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket)
  return { server, ticket: ready.ticket, publicKey: ready.publicKey, port: target.port }
}

async function echoes(port: number): Promise<void> {
  const socket = await connectTcp(port)
  socket.end('hello')
  assert.equal((await readAll(socket)).toString(), 'hello')
}

staged('a ticket alone is enough: DHT, key, ports; a port in use makes way', async stage => {
  const { ticket, port } = await shared(stage, ['--name', 'Echo'])
  // Target and guest are one computer here, so the port is in use.
  const guest = stage.start(['join', ticket, '--json'], { name: 'guest' })
  await guest.event('connected')
  const localPort = await guest.localPort('tcp', port)
  assert.notEqual(localPort, port)
  const warning = await guest.event('warning')
  assert.equal(warning.code, 'PORT_MOVED')
  assert.equal(warning.publicKey, (await guest.event('ready')).publicKey)
  assert.match(warning.message, new RegExp(`Port ${port} .* is at port ${localPort} here`))
  await echoes(localPort)
})

staged(
  'a join of the server on this computer leaves its ports to the game, though it does not run yet',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const env = { HYPER_NAT_CONTROL: folderOf(stage), HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
    const port = await freePort()
    const args = ['server', '-p', `${port}`, '--protocol', 'tcp+udp', '-s', newSecret(), '--json']
    const server = stage.start(args, { name: 'server', env })
    const ready = await server.event('ready')
    assert.ok(ready.mode === 'server' && ready.ticket)

    const guest = stage.start(['join', ready.ticket, '--json'], { name: 'guest', env })
    assert.equal((await guest.event('warning')).code, 'OWN_SERVER')
    await guest.event('connected')
    const localPort = await guest.localPort('tcp', port)
    assert.notEqual(localPort, port)
    assert.equal(await guest.localPort('udp', port), localPort)
    await stage.use(listenTcpEcho({ port }))
    await echoes(localPort)
  }
)

staged('each port of the server on this computer has one of its own here', async stage => {
  const { bootstrap } = await stage.testnet()
  const env = { HYPER_NAT_CONTROL: folderOf(stage), HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
  const [port] = await twoPorts()
  const ports = `${port}-${port + 1}`
  const args = ['server', '-p', ports, '--protocol', 'tcp', '-s', newSecret(), '--json']
  const ready = await stage.start(args, { name: 'server', env }).event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket)

  const guest = stage.start(['join', ready.ticket, '--json'], { name: 'guest', env })
  await guest.event('connected')
  const open = [await guest.localPort('tcp', port), await guest.localPort('tcp', port + 1)]
  assert.equal(new Set([...open, port, port + 1]).size, 4, `${open} beside ${ports}`)
  const codes = guest.events.flatMap(event => (event.event === 'warning' ? event.code : []))
  assert.deepEqual(codes, ['OWN_SERVER'])
})

staged('a join of another server leaves the ports that are shared here to their programs', async stage => {
  const { bootstrap } = await stage.testnet()
  const env = { HYPER_NAT_CONTROL: folderOf(stage), HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
  const friend = { ...env, HYPER_NAT_CONTROL: folderOf(stage) }
  const port = await freePort()
  const share = ['server', '-p', `${port}`, '--protocol', 'tcp', '-s', newSecret(), '--json']
  const ready = await stage.start(share, { name: 'friend', env: friend }).event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket)
  const host = stage.start(share.with(-2, newSecret()), { name: 'host', env })
  await host.event('ready')

  const guest = stage.start(['join', ready.ticket, '--json'], { name: 'guest', env })
  assert.equal((await guest.event('warning')).code, 'PORT_SHARED')
  await guest.event('connected')
  assert.notEqual(await guest.localPort('tcp', port), port)
})

staged('a port that another hyper-nat here has open for a server is shared with a warning', async stage => {
  const { bootstrap } = await stage.testnet()
  const env = { HYPER_NAT_CONTROL: folderOf(stage), HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
  const [port, other] = await twoPorts()
  const friend = [
    'client',
    '-r',
    '80/tcp',
    '-l',
    `${port}`,
    '-k',
    encodeKey(keyPairOf(new Secret('a friend')).publicKey)
  ]
  const guest = stage.start([...friend, '--json'], { name: 'guest', env })
  await guest.event('ready')
  const warned = async (...words: string[]): Promise<unknown[]> => {
    const host = stage.start([...words, '--json'], { name: words.join(' '), env })
    await host.event('ready')
    return host.events.flatMap(event =>
      event.event === 'warning' && event.code === 'TARGET_IS_JOINED' ? [event.message] : []
    )
  }
  const secret = ['-s', newSecret()]
  const [message, ...more] = await warned('host', 'minecraft', '-p', `${port}`)
  assert.match(
    `${message}`,
    new RegExp(`^port ${port} .* process ${guest.pid} has joined: .* stop --pid ${guest.pid}`)
  )
  assert.deepEqual(more, [])
  assert.equal((await warned('server', '-p', `${port}/tcp`, ...secret)).length, 1)
  assert.deepEqual(await warned('server', '-p', `${other}/tcp,${port}/udp`, ...secret), [])
})

staged(
  'a game that is hosted already is hosted again with a warning, and another one without',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const env = { HYPER_NAT_CONTROL: folderOf(stage), HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
    const host = (...words: string[]) =>
      stage.start(['host', ...words, '--json'], { name: words.join(' '), env })
    const first = host('minecraft', '-p', `${await freePort()}`)
    await first.event('ready')
    const other = host('openarena', '-p', `${await freePort()}`)
    await other.event('ready')
    const codes = (program: typeof first): string[] =>
      program.events.flatMap(event => (event.event === 'warning' ? event.code : []))
    assert.ok(!codes(first).includes('HOSTED_ALREADY'))
    assert.ok(!codes(other).includes('HOSTED_ALREADY'))
    const again = host('minecraft', '-p', `${await freePort()}`)
    await again.event('ready')
    const warning = again.events.find(event => event.event === 'warning' && event.code === 'HOSTED_ALREADY')
    assert.match((warning as { message: string }).message, new RegExp(`by process ${first.pid},`))
  }
)

staged('what join saves, hyper-nat alone opens again', async stage => {
  const { ticket, port } = await shared(stage)
  const file = join(folderOf(stage), 'options.json')
  const guest = stage.start(['join', ticket, '--only', `${port}`, '-l', '0', '--save', '-c', file])
  await guest.says(/Saved in /)
  await guest.says(/In the game or program, enter 127\.0\.0\.1:\d+ \(or localhost:\d+\)\n/)
  await guest.stop()
  const [entry] = JSON.parse(readFileSync(file, 'utf8')).schema
  assert.deepEqual({ ...entry, localPort: 0 }, { mode: 'client', proto: 'tcp', port, localPort: 0, ticket })
  const again = stage.start(['-c', file, '--json'])
  await again.event('connected')
  assert.equal(await again.localPort('tcp', port), entry.localPort)
  await echoes(entry.localPort)
})

staged('several that save at once lose nothing', async stage => {
  const { ticket } = await shared(stage)
  const file = join(folderOf(stage), 'options.json')
  const guests = [1, 2, 3].map(() => stage.start(['join', ticket, '-l', '0', '--save', '-c', file]))
  for (const guest of guests) await guest.says(/Saved in /)
  const { schema } = JSON.parse(readFileSync(file, 'utf8'))
  assert.equal(new Set(schema.map((entry: { localPort: number }) => entry.localPort)).size, 3)
})

staged('a server knows a guest by its identity, each time', async stage => {
  const { server, ticket } = await shared(stage)
  const identity = join(folderOf(stage), 'me.key')
  const shown = await stage.start(['id', '--identity', identity]).end()
  assert.equal(shown.code, 0)
  for (let i = 0; i < 2; i++) {
    const from = server.mark
    const guest = stage.start(['join', ticket, '-l', '0', '--identity', identity])
    const { peer } = await server.event('connected', { from })
    assert.equal(peer, shown.stdout.trim())
    await guest.stop()
  }
})

staged(
  'a guest who joins again is the same guest, and another one with --anonymous',
  async stage => {
    const { server, ticket } = await shared(stage)
    const settings = folderOf(stage)
    const env = { HOME: settings, XDG_CONFIG_HOME: settings, APPDATA: settings }
    const peers: string[] = []
    for (const flags of [[], [], ['--anonymous']]) {
      const from = server.mark
      const guest = stage.start(['join', ticket, '-l', '0', ...flags], { env })
      peers.push((await server.event('connected', { from })).peer)
      await guest.stop()
    }
    assert.equal(peers[0], peers[1])
    assert.notEqual(peers[1], peers[2])
  },
  { timeout: 120_000 }
)

staged(
  'an identity that others can read is refused before anything is opened',
  async stage => {
    const { ticket } = await shared(stage)
    const identity = join(folderOf(stage), 'me.key')
    await stage.start(['id', '--identity', identity]).end()
    chmodSync(identity, 0o644)
    const guest = stage.start(['join', ticket, '-l', '0', '--identity', identity, '--json'])
    const { code } = await guest.end()
    assert.equal(code, 2)
    assert.deepEqual(
      guest.events.map(event => event.event === 'error' && event.code),
      ['IDENTITY_EXPOSED']
    )
  },
  { skip: process.platform === 'win32' ? 'no modes on Windows' : false }
)

staged('a mistyped, a cut and a foreign ticket start nothing', async stage => {
  const { ticket } = await shared(stage)
  const typo = ticket.replace(/.$/, char => (char === 'y' ? 'b' : 'y'))
  for (const [text, wanted] of [
    [typo, 'TICKET_MISTYPED'],
    [ticket.slice(0, -4), 'TICKET_CUT'],
    ['hello', 'BAD_TICKET']
  ] as const) {
    const guest = stage.start(['join', text, '--json'])
    assert.equal((await guest.end()).code, 2)
    assert.deepEqual(
      guest.events.map(event => event.event === 'error' && event.code),
      [wanted]
    )
  }
})

staged('ports of a game that belong together move together, or keep their numbers elsewhere', async stage => {
  const { bootstrap } = await stage.testnet()
  const env = { HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
  const [together, same] = [await twoPorts(), await twoPorts()]
  const recipes = userRecipes(
    [
      { id: 'together', ports: together },
      { id: 'same', ports: same }
    ].map(({ id, ports }) => ({
      ...shippedRecipe('luanti'),
      id,
      name: id,
      aliases: [],
      guestPorts: id as 'together' | 'same',
      ports: ports.map(port => ({ proto: 'tcp' as const, port, purpose: 'game' }))
    }))
  )
  await stage.use(recipes)
  for (const [game, ports] of [
    ['together', together],
    ['same', same]
  ] as const) {
    const server = stage.start(['host', game, '-s', newSecret(), '--json'], {
      name: `${game} host`,
      env: { ...env, ...recipes.env, HYPER_NAT_CONTROL: folderOf(stage) }
    })
    const ready = await server.event('ready')
    assert.ok(ready.mode === 'server' && ready.ticket)
    // The second is the guest's own; the first stays free.
    await stage.use(listenTcp(() => {}, { port: ports[1] }))
    // Without the recipe: the ticket tells it.
    const guest = stage.start(['join', ready.ticket, '--json', '--control', 'off'], { name: `${game} guest` })
    const warning = await guest.event('warning')
    assert.equal(warning.code, 'PORT_MOVED')
    assert.match(warning.message, new RegExp(`^Port ${ports[1]} \\(tcp\\) of 127\\.0\\.0\\.1 is in use by `))
    const opened = await guest.event('ready')
    assert.ok(opened.mode === 'client')
    const [first, second] = opened.maps
    assert.equal(second!.localPort - first!.localPort, 1)
    if (game === 'same') {
      assert.deepEqual(
        opened.maps.map(({ localHost, localPort }) => `${localHost}:${localPort}`),
        ports.map(port => `127.0.0.2:${port}`)
      )
    } else assert.ok(first!.localPort > ports[0]! && first!.localHost === '127.0.0.1')
  }
})

staged('ports that are too many for one ticket are shared without one', async stage => {
  const ports = Array.from({ length: 300 }, (_, i) => 10_000 + 2 * i).join(',')
  const server = await stage.run(['server', '-p', ports, '--protocol', 'udp', '-s', newSecret()])
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server')
  assert.equal(ready.ticket, undefined)
  assert.equal((await server.event('warning')).code, 'TICKET_TOO_LONG')
})

staged('the library opens a ticket by itself', async stage => {
  const { ticket, port } = await shared(stage)
  const { decodeTicket, HyperNat } = await import('../../src/index.js')
  const { bootstrap } = decodeTicket(ticket)
  const node = await stage.use(new HyperNat({ bootstrap }))
  const warnings: string[] = []
  node.on('event', event => {
    if (event.event === 'warning') warnings.push(event.code)
  })
  const taken = await stage.use(listenTcp(() => {}))
  const opened = await node.open({ ticket })
  assert.deepEqual(warnings, ['PORT_MOVED'])
  await echoes(opened.maps[0]!.localPort)
  await opened.close()
  await assert.rejects(node.open({ ticket, maps: [{ proto: 'tcp', port, localPort: taken.port }] }), {
    code: 'PORT_IN_USE'
  })
  await assert.rejects(node.open({ ticket: 'hello' }), { code: 'BAD_TICKET' })
})

/** An address of this computer that is not loopback. */
const lanAddress = [...ownAddresses().keys()].find(address => !isIPv4Loopback(address))

staged(
  'a program that listens at the address of the LAN alone is found there, and the owner is told how to share it',
  async stage => {
    const target = await stage.use(listenTcpEcho({ host: lanAddress! }))
    const args = ['server', '-p', `${target.port}`, '--protocol', 'tcp', '-s', newSecret()]
    const server = await stage.run(args, 'server')
    const ready = await server.event('ready')
    assert.ok(ready.mode === 'server' && ready.ticket)
    const guest = stage.start(['join', ready.ticket, '-l', '0', '--json'], { name: 'guest' })
    await guest.event('connected')
    const socket = await connectTcp(await guest.localPort('tcp', target.port))
    await server.says(new RegExp(`has it at (${lanAddress}): .*--host \\1 `), 20_000)
    socket.destroy()
  },
  { skip: lanAddress === undefined && 'no network but loopback' }
)
