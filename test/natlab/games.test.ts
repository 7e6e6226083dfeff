/**
 * Games themselves, as people play them: `hyper-nat host GAME` at home, `hyper-nat join TICKET` at two friends', each behind a router of
 * their own that lets nothing in. Who gets into the game got there through the tunnel.
 */
import assert from 'node:assert/strict'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../support/deadline.js'
import type { HyperNat } from '../support/hyper-nat.js'
import type { Process } from '../support/process.js'
import { missing, programPath } from '../support/programs.js'
import { type Home, noLab } from './lab.js'
import { Programs, ticketOf, WITHIN_MS } from './programs.js'
import { lab, useLab } from './side.js'

let hosts: Home
let annas: Home
let bens: Home

useLab(async () => {
  hosts = await lab.home('cone')
  annas = await lab.home('cone')
  bens = await lab.home('cone')
})

/** A test of a game; `needs` are its programs. */
function played(what: string, needs: readonly string[], play: (programs: Programs) => Promise<void>): void {
  test(what, { skip: noLab() || missing(...needs), timeout: 90_000 }, async () => {
    const programs = new Programs()
    try {
      await play(programs)
    } catch (err) {
      console.error(programs.describe())
      throw err
    } finally {
      await programs.stop()
    }
  })
}

/** A host's daemon that shares a game, and its ticket. */
async function shared(programs: Programs, ...game: string[]): Promise<{ host: HyperNat; ticket: string }> {
  const host = programs.daemon(hosts, ['host', ...game])
  return { host, ticket: await ticketOf(host) }
}

async function joined(programs: Programs, ticket: string): Promise<void> {
  await Promise.all([annas, bens].map(home => programs.guest(home, ticket)))
}

/** Asks again until the answer is right: a game tells nobody how far it is. */
async function answers(wanted: RegExp, ask: () => Promise<string>): Promise<void> {
  let answer = ''
  await until(WITHIN_MS, `${wanted}`, async () => wanted.test((answer = await ask()))).catch(err => {
    throw new Error(`${err.message} in ${answer}`)
  })
}

const OPENARENA = 27_960

played(
  'OpenArena is found by a broadcast in the LAN; two guests enter the arena',
  ['openarena-server', 'openarena', 'quakestat'],
  async programs => {
    const words = `+set dedicated 1 +set net_port ${OPENARENA} +set sv_hostname Friday +map oa_dm1`
    const server = programs.run(hosts, [programPath('openarena-server'), ...words.split(' ')], {
      HOME: programs.folder()
    })
    const list = (home: Home, address: string, ...flags: string[]): Promise<string> =>
      programs.said(home, [
        programPath('quakestat'),
        ...flags,
        '-raw',
        ',',
        '-nh',
        '-timeout',
        '1',
        '-q3s',
        address
      ])
    const scan = (home: Home): Promise<string> => list(home, `+255.255.255.255:${OPENARENA}-${OPENARENA + 3}`)
    await answers(/,Friday,/, () => scan(hosts))
    const { ticket } = await shared(programs, 'openarena')
    assert.doesNotMatch(await scan(annas), /Friday/)
    await joined(programs, ticket)
    await answers(/^Q3S,127\.0\.0\.1:27960,Friday,oa_dm1,8,0,/m, () => scan(annas))

    const settings =
      'r_fullscreen 0,r_mode -1,r_customwidth 320,r_customheight 240,com_maxfps 20,s_initsound 0'
    const player = (home: Home, name: string): Process =>
      programs.run(
        home,
        [
          programPath('openarena'),
          ...settings.split(',').flatMap(setting => ['+set', ...setting.split(' ')]),
          ...['+set', 'name', name, '+connect', `127.0.0.1:${OPENARENA}`]
        ],
        { HOME: programs.folder(), SDL_VIDEODRIVER: 'offscreen', SDL_AUDIODRIVER: 'dummy' }
      )
    player(annas, 'anna')
    player(bens, 'ben')
    await Promise.all(
      ['anna', 'ben'].map(name => server.says(new RegExp(`${name}\\S* entered the game`), WITHIN_MS))
    )
    const players = await list(bens, `127.0.0.1:${OPENARENA}`, '-P')
    assert.match(players, /,oa_dm1,8,2,/)
    assert.deepEqual([...players.matchAll(/^(anna|ben),/gm)].map(([, name]) => name).sort(), ['anna', 'ben'])
  }
)

played(
  'Chocolate Doom finds the server by its own LAN scan; two guests play',
  ['chocolate-server', 'chocolate-doom'],
  async programs => {
    const doom = programPath('chocolate-doom')
    programs.run(hosts, [programPath('chocolate-server'), '-privateserver', '-servername', 'Friday'])
    await answers(/ 127\.0\.0\.1 +0\/\d .*Friday$/m, () =>
      programs.said(hosts, [doom, '-query', '127.0.0.1'])
    )
    const { ticket } = await shared(programs, 'doom')
    await joined(programs, ticket)
    assert.match(await programs.said(annas, [doom, '-localsearch']), / 127\.0\.0\.1 +0\/\d .*Friday$/m)

    const game = '-iwad /usr/share/games/doom/freedoom1.wad -nosound -window -nodes 2 -deathmatch -warp 1 1'
    for (const home of [annas, bens]) {
      programs.run(home, [doom, ...game.split(' '), '-autojoin'], {
        HOME: programs.folder(),
        SDL_VIDEODRIVER: 'dummy'
      })
    }
    await answers(/ 2\/4 .*\(game running\) Friday$/m, () =>
      programs.said(bens, [doom, '-query', '127.0.0.1'])
    )
  }
)

const MINETEST = '30000'

played('Minetest: two guests enter the world', ['minetestserver', 'minetest'], async programs => {
  const folder = programs.folder()
  const settings = join(folder, 'minetest.conf')
  writeFileSync(settings, 'video_driver = null\nenable_sound = false\nbind_address = 0.0.0.0\n')
  const flags = ['--config', settings, '--logfile', join(folder, 'log')]
  const server = programs.run(hosts, [
    programPath('minetestserver'),
    ...[...flags, '--world', join(folder, 'world'), '--gameid', 'minetest', '--port', MINETEST]
  ])
  await server.says(/listening on/, WITHIN_MS)
  const { ticket } = await shared(programs, 'minetest')
  await joined(programs, ticket)
  for (const [home, name] of [
    [annas, 'anna'],
    [bens, 'ben']
  ] as const) {
    const own = programs.folder()
    programs.run(
      home,
      [
        programPath('minetest'),
        ...['--config', settings, '--logfile', join(own, 'log'), '--go', '--address', '127.0.0.1'],
        ...['--port', MINETEST, '--name', name, '--password', 'secret']
      ],
      { HOME: own }
    )
  }
  await server.says(/joins game\. List of players: (anna ben|ben anna)$/m, WITHIN_MS)
})

/** Freeciv runs for no superuser. */
const NOBODY = 65_534

const FREECIV = '5556'

played(
  'Freeciv: a turn ends when both guests have ended it',
  ['freeciv-server', 'freeciv-gtk3.22', 'Xvfb', 'xdotool', 'setpriv'],
  async programs => {
    const freeciv = (
      home: Home,
      program: string,
      args: string[],
      env: Record<string, string> = {}
    ): Process => {
      const folder = programs.folder()
      chownSync(folder, NOBODY, NOBODY)
      const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
      return programs.run(home, [...as, programPath(program), ...args], { ...env, HOME: folder }, folder)
    }
    const server = freeciv(hosts, 'freeciv-server', ['--port', FREECIV])
    await server.says(/Now accepting new client connections/, WITHIN_MS)
    // Without a timeout nobody but the players ends a turn.
    server.input('set aifill 0\nset timeout 0\nset minplayers 2\n', false)
    const { ticket } = await shared(programs, 'freeciv')
    await joined(programs, ticket)

    const player = async (home: Home, name: string): Promise<() => Promise<string>> => {
      const screen = programs.run(home, [programPath('Xvfb'), '-displayfd', '1', '-nolisten', 'tcp'])
      const [, number] = await screen.says(/^(\d+)$/m, WITHIN_MS)
      const env = { DISPLAY: `:${number}` }
      const args = ['--autoconnect', '--name', name, '--server', '127.0.0.1', '--port', FREECIV]
      freeciv(home, 'freeciv-gtk3.22', args, env)
      await server.says(new RegExp(`${name} has connected from`), WITHIN_MS)
      const turnDone = 'search --onlyvisible --name Freeciv windowfocus key shift+Return'
      return () => programs.said(home, [programPath('xdotool'), ...turnDone.split(' ')], env)
    }
    const [anna, ben] = await Promise.all([player(annas, 'anna'), player(bens, 'ben')])
    server.input('start\n', false)
    await server.says(/Game saved as \S*-T0001-/, WITHIN_MS)
    for (const next of ['T0002', 'T0003']) {
      await answers(new RegExp(`Game saved as \\S*-${next}-`), async () => {
        await anna!()
        await ben!()
        return server.stdout
      })
    }
  }
)

played("Minecraft's list shows the world of a friend, and its server answers there", [], async programs => {
  await programs.game(hosts, 'world', '54321', "Cara's world")
  const { ticket } = await shared(programs, 'minecraft', '--port', '54321')
  await Promise.all([programs.guest(annas, ticket), programs.guest(bens, ticket, '--local-port', '25570')])
  const [anna, ben] = await Promise.all([annas, bens].map(home => programs.game(home, 'worlds')))
  await anna!.says(/^world 127\.0\.0\.1:54321 Cara's world for 127\.0\.0\.1:54321$/m, WITHIN_MS)
  await ben!.says(/^world 127\.0\.0\.1:25570 Cara's world for 127\.0\.0\.1:25570$/m, WITHIN_MS)
})
