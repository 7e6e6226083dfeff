// Freeciv: joined by its address, turns over TCP.
import { chownSync } from 'node:fs'
import type { Home } from '../natlab/lab.js'
import { WITHIN_MS } from '../natlab/programs.js'
import type { Process } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { answers, assertSeen, type Guest, joined, played, screenOf, shared } from './table.js'

const PORT = '5556'

/** It runs for no superuser. */
const NOBODY = 65_534

/** The key for "Turn Done". */
const TURN_DONE = 'search --onlyvisible --name Freeciv windowfocus key shift+Return'.split(' ')

played(
  'Freeciv: two guests end their turns',
  ['freeciv-server', 'freeciv-gtk3.22', 'Xvfb', 'xdotool', 'setpriv'],
  async table => {
    const { programs, hosts, guests } = table
    const freeciv = (
      home: Home,
      program: string,
      args: string[],
      env: Record<string, string> = {}
    ): Process => {
      const folder = programs.folder()
      chownSync(folder, NOBODY, NOBODY)
      const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
      return programs.run(home, [...as, programPath(program), '--port', PORT, ...args], { env, folder })
    }
    const server = freeciv(hosts, 'freeciv-server', [])
    await server.says(/Now accepting new client connections/, WITHIN_MS)
    // Without a timeout nobody but the players ends a turn.
    server.input('set aifill 0\nset timeout 0\nset minplayers 2\n', false)
    const { host, ticket } = await shared(table, 'freeciv')
    await joined(table, ticket)

    /** Resolves with how the player ends a turn, once connected. */
    const player = async ({ name, home }: Guest): Promise<() => Promise<string>> => {
      const { env, press } = await screenOf(table, home)
      freeciv(home, 'freeciv-gtk3.22', ['--autoconnect', '--name', name, '--server', '127.0.0.1'], env)
      await server.says(new RegExp(`${name} has connected from`), WITHIN_MS)
      return () => press(...TURN_DONE)
    }
    const ends = await Promise.all(guests.map(player))
    server.input('start\n', false)
    await server.says(/Game saved as \S*-T0001-/, WITHIN_MS)
    for (const turn of ['T0002', 'T0003']) {
      // A window that is not there yet takes no key.
      await answers(new RegExp(`Game saved as \\S*-${turn}-`), async () => {
        for (const end of ends) await end()
        return server.stdout
      })
    }
    assertSeen(host, server.stdout, /(?:anna|ben) has connected from (\S+)\.$/gm)
  }
)
