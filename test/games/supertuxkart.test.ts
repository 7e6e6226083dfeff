// SuperTuxKart: its query to the LAN and its game on two UDP ports, which are the same at the guests.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WITHIN_MS } from '../natlab/programs.js'
import { programPath } from '../support/programs.js'
import { assertSeen, type Guest, joined, played, shared } from './table.js'

const PORT = '2759'

/** What its search of the LAN sends to port 2757; the server answers with its name. */
const SEARCH = JSON.stringify('\nstk-server')
const FOUND = /^heard 127\.0\.0\.1:2757 ".*Friday/m

/** A battle that starts when two are there, and lasts so many seconds: a race of nobody but computers ends before its first lap. */
const SECONDS = 12
const SETTINGS = {
  'server-mode': 7,
  'time-limit-ffa': SECONDS,
  'hit-limit': 0,
  'owner-less': true,
  'min-start-game-players': 2,
  'start-game-counter': 1,
  'track-voting': false,
  'voting-timeout': 3,
  'firewalled-server': false,
  'ipv6-connection': false
}

played(
  'SuperTuxKart: its LAN query is answered, two guests fight to the end',
  ['supertuxkart', 'stdbuf'],
  async table => {
    const { programs, hosts, guests } = table
    // It writes to a pipe in blocks.
    const kart = [programPath('stdbuf'), '-oL', programPath('supertuxkart'), '--no-graphics']
    const folder = programs.folder()
    const config = join(folder, 'server.xml')
    const lines = Object.entries(SETTINGS).map(([name, value]) => `<${name} value="${value}" />`)
    writeFileSync(config, `<?xml version="1.0"?><server-config version="6">${lines.join('')}</server-config>`)
    const flags = [`--server-config=${config}`, '--lan-server=Friday', `--port=${PORT}`]
    const server = programs.run(hosts, [...kart, ...flags], { folder })
    await server.says(/Server port is 2759/, WITHIN_MS)
    const { host, ticket } = await shared(table, 'supertuxkart')
    await joined(table, ticket)
    const list = await programs.game(guests[0].home, 'ask')
    list.input(`192.168.7.255 2757 ${SEARCH}\n`, false)
    await list.says(FOUND)

    const drivers = guests.map(({ home }: Guest) =>
      programs.run(home, [...kart, `--connect-now=127.0.0.1:${PORT}`, '--network-ai=1'])
    )
    await server.says(/The game is considered finished/, 2 * WITHIN_MS)
    for (const driver of drivers) await driver.says(/Server notified that the race is finished/, WITHIN_MS)
    assertSeen(host, server.stdout + server.stderr, /from ([\d.]+):\d+/g)
  }
)
