// Chocolate Doom: its own LAN scan, by broadcast queries, and a game in lockstep over UDP.
import assert from 'node:assert/strict'
import { programPath } from '../support/programs.js'
import { answers, joined, played, shared } from './table.js'

const GAME = [
  ...['-iwad', '/usr/share/games/doom/freedoom1.wad', '-nosound', '-window'],
  ...['-nodes', '2', '-deathmatch', '-warp', '1', '1']
]

played(
  'Chocolate Doom: listed by its own scan of the LAN, two guests join what the scan finds',
  ['chocolate-server', 'chocolate-doom', 'freedoom1'],
  async table => {
    const { programs, hosts, guests } = table
    const doom = programPath('chocolate-doom')
    const query = (home: typeof hosts): Promise<string> => programs.said(home, [doom, '-query', '127.0.0.1'])
    programs.run(hosts, [programPath('chocolate-server'), '-privateserver', '-servername', 'Friday'])
    await answers(/ 0\/\d .*Friday$/m, () => query(hosts))
    const { ticket } = await shared(table, 'doom')
    await joined(table, ticket)
    const list = await programs.said(guests[0].home, [doom, '-localsearch'])
    assert.match(list, / 127\.0\.0\.1 +0\/\d .*Friday$/m)

    for (const { home } of guests) {
      programs.run(home, [doom, ...GAME, '-autojoin'], { env: { SDL_VIDEODRIVER: 'dummy' } })
    }
    // The server says so when all who shall play have the game loaded.
    await answers(/ 2\/4 .*\(game running\) Friday$/m, () => query(guests[1].home))
  }
)
