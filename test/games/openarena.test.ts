// Quake III's family: a LAN list by broadcast queries, and a game over UDP.
import assert from 'node:assert/strict'
import type { Home } from '../natlab/lab.js'
import { WITHIN_MS } from '../natlab/programs.js'
import type { Process } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { answers, assertSeen, type Guest, joined, played, shared } from './table.js'

/** The first of the ports that LAN lists ask. */
const PORT = 27_960

const SETTINGS = [
  ...['r_fullscreen 0', 'r_mode -1', 'r_customwidth 320', 'r_customheight 240'],
  ...['com_maxfps 20', 's_initsound 0']
]

played(
  'OpenArena: found by a broadcast in the LAN, two guests enter the arena, one with the game open before hyper-nat',
  ['openarena-server', 'openarena', 'quakestat'],
  async table => {
    const { programs, hosts, guests } = table
    const [anna, ben] = guests
    const server = programs.run(hosts, [
      programPath('openarena-server'),
      ...['dedicated 1', `net_port ${PORT}`, 'sv_hostname Friday'].flatMap(setting),
      ...['+map', 'oa_dm1']
    ])
    const open = ({ name, home }: Guest, ...args: string[]): Process => {
      const set = [...SETTINGS, `name ${name}`].flatMap(setting)
      const env = { SDL_VIDEODRIVER: 'offscreen', SDL_AUDIODRIVER: 'dummy' }
      return programs.run(home, [programPath('openarena'), ...set, ...args], { env })
    }
    const list = (at: Home, address: string, ...flags: string[]): Promise<string> => {
      const args = [...flags, '-raw', ',', '-nh', '-timeout', '1', '-q3s', address]
      return programs.said(at, [programPath('quakestat'), ...args])
    }
    const scan = (at: Home): Promise<string> => list(at, `+255.255.255.255:${PORT}-${PORT + 3}`)

    await answers(/,Friday,/, () => scan(hosts))
    // A game that is open has the first port for itself.
    const bens = open(ben)
    await bens.says(/Client Initialization Complete/, WITHIN_MS)
    const { host, ticket } = await shared(table, 'openarena')
    assert.doesNotMatch(await scan(anna.home), /Friday/)
    const daemons = await joined(table, ticket)
    const ports = await Promise.all(daemons.map(daemon => daemon.localPort('udp', PORT)))
    assert.deepEqual(ports, [PORT, PORT + 1])
    for (const [i, { home }] of guests.entries()) {
      await answers(new RegExp(`^Q3S,127\\.0\\.0\\.1:${ports[i]},Friday,oa_dm1,8,0,`, 'm'), () => scan(home))
    }

    open(anna, '+connect', `127.0.0.1:${ports[0]}`)
    bens.input(`connect 127.0.0.1:${ports[1]}\n`, false)
    for (const { name } of guests) await server.says(new RegExp(`${name}\\S* entered the game`), WITHIN_MS)
    await answers(/,Friday,oa_dm1,8,2,.*\n(anna,.*\nben|ben,.*\nanna),/, () =>
      list(anna.home, `127.0.0.1:${PORT}`, '-P')
    )
    server.input('status\n', false)
    await server.says(/^map: oa_dm1\n(.*\n){4}/m)
    assertSeen(host, server.stderr, /^ +\d+ +\d+ +\d+ (?:anna|ben) +\^7([\d.]+) /gm)
  }
)

function setting(words: string): string[] {
  return ['+set', ...words.split(' ')]
}
