// OpenTTD: its query to the LAN over UDP, a game over TCP, on one port.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WITHIN_MS } from '../natlab/programs.js'
import type { Process } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { assertSeen, type Guest, joined, played, shared } from './table.js'

const PORT = '3979'

/** What its search of the LAN sends to the broadcast address of the network, and what a server answers. */
const SEARCH = JSON.stringify('\x03\x00\x00')
const FOUND = /^heard 127\.0\.0\.1:3979 "\\u0003\\u0000\\u0001"$/m

const QUIET = ['-v', 'sdl', '-s', 'null', '-m', 'null']

/** A client that has not begun to connect by then never does: its thread that resolves names has lost a race (tcp_connect.cpp). */
const CONNECTS_WITHIN_MS = 2000
const STARTS = 5

/** To join as a spectator, since the server takes 15 companies. */
const SPECTATOR = 255

played('OpenTTD: its LAN query is answered, two guests join', ['openttd'], async table => {
  const { programs, hosts, guests } = table
  const openttd = (folder: string, name: string): string[] => {
    // It keeps names apart from other settings.
    for (const file of ['openttd.cfg', 'private.cfg']) {
      writeFileSync(join(folder, file), `[network]\nclient_name = ${name}\n`)
    }
    return [programPath('openttd'), '-c', join(folder, 'openttd.cfg'), '-x']
  }
  const folder = programs.folder()
  const server = programs.run(hosts, [...openttd(folder, 'Friday'), '-D', `0.0.0.0:${PORT}`, '-d', 'net=3'], {
    folder
  })
  await server.says(/Map generated, starting game/, WITHIN_MS)
  const { host, ticket } = await shared(table, 'openttd')
  await joined(table, ticket)
  const list = await programs.game(guests[0].home, 'ask')
  list.input(`192.168.7.255 ${PORT} ${SEARCH}\n`, false)
  await list.says(FOUND)

  const start = ({ name, home }: Guest): Process => {
    const folder = programs.folder()
    const address = `127.0.0.1:${PORT}#${SPECTATOR}`
    return programs.run(home, [...openttd(folder, name), ...QUIET, '-d', 'net=5', '-n', address], {
      folder,
      env: { SDL_VIDEODRIVER: 'dummy' }
    })
  }
  const open = async (guest: Guest): Promise<void> => {
    for (let left = STARTS; ; left--) {
      const client = start(guest)
      try {
        await client.says(/Attempting to connect/, CONNECTS_WITHIN_MS)
        return
      } catch (err) {
        if (left === 1) throw err
        await client.stop()
      }
    }
  }
  await Promise.all(guests.map(open))
  for (const { name } of guests) await server.says(new RegExp(`${name} has joined`), WITHIN_MS)
  server.input('clients\n', false)
  await server.says(/name: '(anna|ben)'.*\n.*name: '(anna|ben)'/)
  assertSeen(host, server.stdout, /name: '(?:anna|ben)'.* IP: ([\d.]+)/g)
})
