// LAN lists of games over the tunnel, on loopback: stand-ins that speak Minecraft's and Quake III's discovery to the letter.
import assert from 'node:assert/strict'
import type { Recipe } from '../../src/games/recipe.js'
import { ownAddresses } from '../../src/lan/own-addresses.js'
import { isIPv4Loopback } from '../../src/text/address.js'
import { connectTcp, readAll } from '../support/clients.js'
import { within } from '../support/deadline.js'
import { GameSocket, GETINFO, INFO, motd, quakeServer, shippedRecipe, userRecipes } from '../support/games.js'
import { isLinux } from '../support/machine.js'
import { freePort, listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

/** Minecraft with ports of the test's own. */
function craft(port: number, listens: number): Recipe {
  const recipe = shippedRecipe('minecraft-java')
  assert.ok(recipe.discovery.how === 'server-announces')
  const discovery = { ...recipe.discovery, port: listens }
  return { ...recipe, id: 'craft', aliases: [], ports: [{ proto: 'tcp', port, purpose: 'game' }], discovery }
}

/** Quake III with ports of the test's own. */
function arena(id: string, port: number, asks: number): Recipe {
  const recipe = shippedRecipe('quake-3')
  assert.ok(recipe.discovery.how === 'client-queries')
  const discovery = { ...recipe.discovery, ports: asks }
  return { ...recipe, id, aliases: [], ports: [{ proto: 'udp', port, purpose: 'game' }], discovery }
}

staged('games that a host shares are in the LAN lists of its guest, and are joined there', async stage => {
  const world = await stage.use(listenTcpEcho())
  const [first, second] = [await stage.use(quakeServer()), await stage.use(quakeServer())]
  const [listens, asks, unasked] = [await freePort(), await freePort(), await freePort()]
  const recipes = [
    craft(world.port, listens),
    arena('arena', first.port, asks),
    arena('quiet', second.port, unasked)
  ]
  const { env } = await stage.use(userRecipes(recipes))
  const game = await stage.use(GameSocket.open(listens, '224.0.2.60'))

  const common = { mode: 'server', secret: newSecret() }
  const entries = [{ game: 'craft', name: 'Friday' }, { game: 'arena' }, { game: 'quiet' }]
  const server = await stage.daemon(
    entries.map(entry => ({ ...common, ...entry })),
    {},
    { name: 'host', env }
  )
  const ready = await server.event('ready', { where: event => event.mode === 'server' })
  const ticket = (ready.mode === 'server' && ready.ticket) || ''
  const opened = [
    { port: world.port, localPort: 0 },
    { port: first.port, localPort: asks },
    { port: second.port, localPort: unasked, discovery: false }
  ]
  const client = await stage.daemon(
    opened.map(entry => ({ mode: 'client', ticket, ...entry })),
    {},
    { name: 'guest', env }
  )
  await client.event('connected')

  // Minecraft: the server makes no announcement, so the host's daemon does.
  const localPort = await client.localPort('tcp', world.port)
  const listed = await within(
    10_000,
    game.hears(({ text }) => text === motd('Friday', localPort)),
    () => `the announcement of the server, beside ${JSON.stringify(game.heard)}`
  )
  assert.equal(listed.address, '127.0.0.1')
  const socket = await connectTcp(Number(/\[AD\](\d+)\[\/AD\]/.exec(listed.text)![1]), listed.address)
  socket.end('joined')
  assert.equal((await readAll(socket)).toString(), 'joined')

  if (!isLinux) return
  // Quake III. Loopback has a broadcast address, too, on Linux: no route to a LAN is needed.
  const player = await stage.use(GameSocket.open(0))
  for (const port of [asks, unasked]) {
    player.send('no query', port, '127.255.255.255')
    player.send(GETINFO, port, '127.255.255.255')
  }
  const answer = await within(
    10_000,
    player.hears(() => true),
    () => 'the answer to a broadcast'
  )
  assert.deepEqual(answer, { text: INFO, address: '127.0.0.1', port: asks })
  // And then it plays there; the other one can be played, but is in no list.
  for (const port of [asks, unasked]) player.send(`${GETINFO} joined`, port, '127.0.0.1')
  await within(
    10_000,
    player.hears(() => player.heard.length === 3),
    () => `two answers to the player: ${JSON.stringify(player.heard)}`
  )
  const queries = [first, second].map(({ heard }) => heard.map(({ text }) => text))
  assert.deepEqual(queries, [[GETINFO, `${GETINFO} joined`], [`${GETINFO} joined`]])

  // Both sockets of the map are gone with the guest.
  await client.stop()
  await (await GameSocket.open(asks)).close()
})

/** An address of this computer that is not loopback: what comes from there may be the game itself. */
const lanAddress = [...ownAddresses().keys()].find(address => !isIPv4Loopback(address))

staged(
  'a world that another server of this process shares is not elsewhere, one that nobody shares is',
  async stage => {
    const listens = await freePort()
    const recipe = craft(await freePort(), listens)
    assert.ok(recipe.discovery.how === 'server-announces')
    const { group, ...discovery } = recipe.discovery
    const { env } = await stage.use(userRecipes([{ ...recipe, discovery }]))
    const [survival, creative, other] = [await freePort(), await freePort(), await freePort()]
    const server = await stage.daemon(
      [survival, creative].map(port => ({ mode: 'server', game: 'craft', port, secret: newSecret() })),
      {},
      { name: 'host', env }
    )
    for (const port of [survival, creative])
      await server.event('ready', { where: ({ maps }) => maps[0]?.port === port })
    const game = await stage.use(GameSocket.open(0, undefined, lanAddress))
    for (const port of [survival, creative, other]) game.send(motd('A world', port), listens, lanAddress!)
    const warning = await server.event('warning', { where: ({ code }) => code === 'GAME_ELSEWHERE' })
    assert.equal(warning.port, other)
  },
  { skip: lanAddress === undefined && 'no address but loopback' }
)
