/**
 * A stand-in for a game inside a namespace:
 *
 *     game.js world PORT NAME      Minecraft's server, open to the LAN
 *     game.js arena PORT           Quake III's server
 *     game.js listen PORT [GROUP]  tells what it hears
 *     game.js ask                  sends what stdin says, lines of ADDRESS PORT TEXT, from one port; tells the answers
 *
 * Tells what it hears as `heard ADDRESS:PORT TEXT`, the text as JSON. Runs until it is stopped.
 */
import { createInterface } from 'node:readline'
import { GameSocket, motd, quakeServer } from '../support/games.js'
import { listenTcp } from '../support/servers.js'

const [role, first = '0', second] = process.argv.slice(2)
const port = Number(first)

/** How often Minecraft says that a world is open. */
const WORLD_MS = 1500

const game =
  role === 'arena'
    ? await quakeServer(port)
    : role === 'listen'
      ? await GameSocket.open(port, second)
      : await GameSocket.open(0)
game.socket.on('message', (payload, from) => {
  console.log(`heard ${from.address}:${from.port} ${JSON.stringify(payload.toString('latin1'))}`)
})
if (role === 'world') {
  await listenTcp(socket => socket.end('welcome'), { host: '0.0.0.0', port })
  const tell = (): void => game.send(motd(second ?? '', port), 4445, '224.0.2.60')
  setInterval(tell, WORLD_MS)
  tell()
}
if (role === 'ask') {
  createInterface(process.stdin).on('line', line => {
    const [address = '', to, ...text] = line.split(' ')
    game.send(JSON.parse(text.join(' ')), Number(to), address)
  })
}
console.log('open')
