/**
 * A stand-in for a game inside a namespace:
 *
 *     game.js world PORT NAME      Minecraft's server, open to the LAN
 *     game.js arena PORT           Quake III's server
 *     game.js worlds               Minecraft's list of LAN worlds: asks each address that it hears of, once; tells the answer as
 *                                  `world ADDRESS:PORT ANSWER`
 *     game.js listen PORT [GROUP]  tells what it hears
 *     game.js ask                  sends what stdin says, lines of ADDRESS PORT TEXT, from one port; tells the answers
 *
 * Tells what it hears as `heard ADDRESS:PORT TEXT`, the text as JSON. Runs until it is stopped.
 */
import { createInterface } from 'node:readline'
import { GameSocket, motd, quakeServer } from '../support/games.js'
import { askWorld, worldServer } from '../support/minecraft.js'

const [role, first = '0', second] = process.argv.slice(2)
const port = Number(first)

/** Where Minecraft says that a world is open, and how often. */
const GROUP = '224.0.2.60'
const GROUP_PORT = 4445
const WORLD_MS = 1500

function open(): Promise<GameSocket> {
  if (role === 'arena') return quakeServer(port)
  if (role === 'listen') return GameSocket.open(port, second)
  if (role === 'worlds') return GameSocket.open(GROUP_PORT, GROUP)
  return GameSocket.open(0)
}

const game = await open()
game.socket.on('message', (payload, from) => {
  console.log(`heard ${from.address}:${from.port} ${JSON.stringify(payload.toString('latin1'))}`)
})
if (role === 'world') {
  await worldServer(port, second ?? '')
  const tell = (): void => game.send(motd(second ?? '', port), GROUP_PORT, GROUP)
  setInterval(tell, WORLD_MS)
  tell()
}
if (role === 'worlds') {
  const asked = new Set<string>()
  game.socket.on('message', async (payload, { address }) => {
    const port = /\[AD\](\d+)\[\/AD\]/.exec(payload.toString())?.[1]
    const world = `${address}:${port}`
    if (port === undefined || asked.has(world)) return
    asked.add(world)
    console.log(`world ${world} ${await askWorld(address, Number(port))}`)
  })
}
if (role === 'ask') {
  createInterface(process.stdin).on('line', line => {
    const [address = '', to, ...text] = line.split(' ')
    game.send(JSON.parse(text.join(' ')), Number(to), address)
  })
}
console.log('open')
