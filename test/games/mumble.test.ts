// Mumble: its control connection over TCP, with TLS of its own, and its pings over UDP, on one port.
import { chownSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WITHIN_MS } from '../natlab/programs.js'
import { programPath } from '../support/programs.js'
import { assertSeen, joined, played, shared } from './table.js'

const PORT = '64738'
const CLIENT = join(dirname(fileURLToPath(import.meta.url)), 'mumble-client.js')

/** It gives up the rights of the superuser for those of its own user, who cannot write into the test's folder. */
const NOBODY = 65_534

played(
  'Mumble: two guests log in over TCP, talk, and are counted over UDP',
  ['murmurd', 'setpriv'],
  async table => {
    const { programs, hosts, guests } = table
    const folder = programs.folder()
    const file = join(folder, 'murmur.ini')
    const settings = ['database=murmur.sqlite', `port=${PORT}`, 'host=127.0.0.1', 'bonjour=false', 'logfile=']
    writeFileSync(file, settings.join('\n'))
    for (const path of [folder, file]) chownSync(path, NOBODY, NOBODY)
    const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
    const server = programs.run(hosts, [...as, programPath('murmurd'), '-fg', '-ini', file], { folder })
    await server.says(/Server listening on 127\.0\.0\.1:64738/, WITHIN_MS)
    const { host, ticket } = await shared(table, 'mumble')
    await joined(table, ticket)
    const [anna, ben] = guests.map(({ name, home }) =>
      programs.run(home, [process.execPath, CLIENT, PORT, name])
    )
    for (const one of [anna!, ben!]) await one.says(/^in \d+$/m, WITHIN_MS)
    for (const one of [anna!, ben!]) await one.says(/^users 2$/m, WITHIN_MS)
    anna!.input('Good evening\n', false)
    await ben!.says(/^text Good evening$/m)
    assertSeen(host, server.stdout + server.stderr, /New connection: ([\d.]+):\d+/g)
  }
)
