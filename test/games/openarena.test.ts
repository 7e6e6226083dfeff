// Quake III's family: a LAN list by broadcast queries, and a game over UDP.
import assert from 'node:assert/strict'
import { WITHIN_MS } from '../natlab/programs.js'
import { programPath } from '../support/programs.js'
import { answers, assertSeen, joined, played, shared } from './table.js'

/** The first of the ports that LAN lists ask. */
const PORT = 27_960

const SETTINGS = [
  ...['r_fullscreen 0', 'r_mode -1', 'r_customwidth 320', 'r_customheight 240'],
  ...['com_maxfps 20', 's_initsound 0']
]

played(
  'OpenArena: found by a broadcast in the LAN, two guests enter the arena',
  ['openarena-server', 'openarena', 'quakestat'],
  async table => {
    const { programs, hosts, guests } = table
    const { home } = guests[0]
    const server = programs.run(hosts, [
      programPath('openarena-server'),
      ...['dedicated 1', `net_port ${PORT}`, 'sv_hostname Friday'].flatMap(setting),
      ...['+map', 'oa_dm1']
    ])
    const list = (at: typeof home, address: string, ...flags: string[]): Promise<string> =>
      programs.said(at, [
        programPath('quakestat'),
        ...[...flags, '-raw', ',', '-nh', '-timeout', '1', '-q3s', address]
      ])
    const scan = (at: typeof home): Promise<string> => list(at, `+255.255.255.255:${PORT}-${PORT + 3}`)
    await answers(/,Friday,/, () => scan(hosts))
    const { host, ticket } = await shared(table, 'openarena')
    assert.doesNotMatch(await scan(home), /Friday/)
    await joined(table, ticket)
    await answers(/^Q3S,127\.0\.0\.1:27960,Friday,oa_dm1,8,0,/m, () => scan(home))

    for (const { name, home } of guests) {
      const set = [...SETTINGS, `name ${name}`].flatMap(setting)
      programs.run(home, [programPath('openarena'), ...set, '+connect', `127.0.0.1:${PORT}`], {
        env: { SDL_VIDEODRIVER: 'offscreen', SDL_AUDIODRIVER: 'dummy' }
      })
    }
    for (const { name } of guests) await server.says(new RegExp(`${name}\\S* entered the game`), WITHIN_MS)
    const players = await list(home, `127.0.0.1:${PORT}`, '-P')
    assert.match(players, /,Friday,oa_dm1,8,2,/)
    for (const { name } of guests) assert.match(players, new RegExp(`^${name},`, 'm'))
    server.input('status\n', false)
    await server.says(/^map: oa_dm1\n(.*\n){4}/m)
    assertSeen(host, server.stderr, /^ +\d+ +\d+ +\d+ (?:anna|ben) +\^7([\d.]+) /gm)
  }
)

function setting(words: string): string[] {
  return ['+set', ...words.split(' ')]
}
