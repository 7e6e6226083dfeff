// Minetest (Luanti): joined by its address, a world over UDP.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WITHIN_MS } from '../natlab/programs.js'
import { programPath } from '../support/programs.js'
import { assertSeen, joined, played, shared } from './table.js'

const PORT = '30000'

/** The lab has no IPv6. */
const SETTINGS = ['video_driver = null', 'enable_sound = false', 'bind_address = 0.0.0.0', '']

played('Minetest: two guests enter a world', ['minetestserver', 'minetest'], async table => {
  const { programs, hosts, guests } = table
  const minetest = (folder: string): string[] => {
    const file = join(folder, 'minetest.conf')
    writeFileSync(file, SETTINGS.join('\n'))
    return ['--config', file, '--logfile', join(folder, 'log'), '--port', PORT]
  }
  const folder = programs.folder()
  const world = ['--world', join(folder, 'world'), '--gameid', 'minetest']
  const server = programs.run(hosts, [programPath('minetestserver'), ...minetest(folder), ...world], {
    folder
  })
  await server.says(/listening on/, WITHIN_MS)
  const { host, ticket } = await shared(table, 'minetest')
  await joined(table, ticket)
  for (const { name, home } of guests) {
    const folder = programs.folder()
    const player = ['--go', '--address', '127.0.0.1', '--name', name, '--password', 'secret']
    programs.run(home, [programPath('minetest'), ...minetest(folder), ...player], { folder })
  }
  await server.says(/joins game\. List of players: (anna ben|ben anna)$/m, WITHIN_MS)
  assertSeen(host, server.stderr, /(?:anna|ben) \[([\d.]+)\] joins game/g)
})
