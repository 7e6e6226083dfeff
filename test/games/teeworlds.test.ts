// Teeworlds: found by the game's own search of the LAN, a game over UDP, which goes on at another address of the host's; the guests
// come back by the list when the host's hyper-nat was killed.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ticketOf, WITHIN_MS } from '../natlab/programs.js'
import { lab } from '../natlab/side.js'
import type { HyperNat } from '../support/hyper-nat.js'
import type { Process } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { answers, assertSeen, type Guest, joined, played, screenOf } from './table.js'

const SERVER = ['sv_name Friday', 'sv_port 8303', 'sv_register 0', 'sv_map dm1', 'bindaddr 0.0.0.0']

/** Opens the list of LAN servers; nobody answers at the address that stands there before one is chosen. */
const CLIENT = [
  ...[
    'cl_skip_start_menu 1',
    'cl_show_welcome 0',
    'ui_browser_page 6',
    'ui_server_address_lan 192.0.2.1:8303'
  ],
  ...[
    'gfx_fullscreen 0',
    'gfx_screen_width 640',
    'gfx_screen_height 480',
    'snd_enable 0',
    'console_output_level 1',
    'bind f7 "say hello"'
  ]
]

/** It looks for its master servers before it searches the LAN, and there is no DNS in the lab. */
const NO_DNS = 'timeout:1 attempts:1'

const SEARCH = 'key F5 sleep 1'.split(' ')
const CHOOSE = 'key Down Return'.split(' ')
/** Closes the message that it connects, or has lost the connection. */
const GIVE_UP = 'key Return'.split(' ')
const ENTERS_WITHIN_MS = 4000

interface Player {
  readonly name: string
  readonly game: Process
  readonly press: (...keys: string[]) => Promise<string>
}

played(
  'Teeworlds: its own search finds the server, and the game goes on at another address',
  ['teeworlds', 'teeworlds-server', 'Xvfb', 'xdotool'],
  async table => {
    const { programs, hosts, guests } = table
    const folder = programs.folder()
    writeFileSync(join(folder, 'server.cfg'), SERVER.join('\n'))
    const args = [programPath('teeworlds-server'), '-f', 'server.cfg']
    const server = programs.run(hosts, args, { folder })
    await server.says(/server name is 'Friday'/, WITHIN_MS)
    const secret = join(folder, 'secret')
    const share = (): HyperNat => programs.daemon(hosts, ['host', 'teeworlds', '--save-secret', secret])
    const host = share()
    const daemons = await joined(table, await ticketOf(host))

    const start = async ({ name, home }: Guest): Promise<Player> => {
      const folder = programs.folder()
      writeFileSync(join(folder, 'client.cfg'), [...CLIENT, `player_name ${name}`].join('\n'))
      const { env, press } = await screenOf(table, home)
      const args = [programPath('teeworlds'), '-f', 'client.cfg']
      const game = programs.run(home, args, {
        folder,
        env: { ...env, SDL_AUDIODRIVER: 'dummy', RES_OPTIONS: NO_DNS }
      })
      await game.says(/mastersrv\]: saving addresses/, WITHIN_MS)
      return { name, game, press }
    }
    const players = await Promise.all(guests.map(start))
    /** Takes the server from the list; resolves when the player has entered so many times. */
    const enter = async ({ name, press }: Player, times: number): Promise<void> => {
      const entered = new RegExp(`(team_join player='\\d:${name}'[^]*){${times}}`)
      await answers(entered, async () => {
        await press(...SEARCH, ...CHOOSE)
        await server.says(entered, ENTERS_WITHIN_MS).catch(() => press(...GIVE_UP))
        return server.stdout
      })
    }
    await Promise.all(players.map(player => enter(player, 1)))
    assertSeen(host, server.stdout, /player is ready\. ClientID=\d addr=([\d.]+):/g)

    // Players stay, though the host has another address now, and read what is said.
    await lab.readdress(hosts.router!)
    const [anna, ben] = players
    await anna!.press('key', 'F7')
    await ben!.game.says(/anna: hello/, WITHIN_MS)
    assert.doesNotMatch(server.stdout, /client dropped/)

    // The server does not know those who come from sockets of another process: they time out, and choose it again.
    const back = daemons.map(daemon =>
      daemon.event('connected', { from: daemon.events.length, ms: WITHIN_MS })
    )
    host.kill('SIGKILL')
    await host.end()
    share()
    await Promise.all(back)
    await Promise.all(players.map(player => enter(player, 2)))
  }
)
