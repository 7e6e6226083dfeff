// Minecraft's list of LAN worlds, by announcements to a group, with a stand-in for the game that speaks as it does.
import { WITHIN_MS } from '../natlab/programs.js'
import { played, shared } from './table.js'

/** The game takes any port for a world that is opened to the LAN. */
const PORT = '54321'

const PORT_AT_BENS = '25570'

played("Minecraft: a friend's world is in the list, and answers at the port named there", [], async table => {
  const { programs, hosts, guests } = table
  const [anna, ben] = guests
  await programs.game(hosts, 'world', PORT, "Cara's world")
  const { ticket } = await shared(table, 'minecraft', '--port', PORT)
  await programs.guest(anna.home, ticket)
  await programs.guest(ben.home, ticket, '--local-port', PORT_AT_BENS)
  for (const [{ home }, port] of [[anna, PORT] as const, [ben, PORT_AT_BENS] as const]) {
    const list = await programs.game(home, 'worlds')
    await list.says(
      new RegExp(`^world 127\\.0\\.0\\.1:${port} Cara's world for 127\\.0\\.0\\.1:${port}$`, 'm'),
      WITHIN_MS
    )
  }
})
