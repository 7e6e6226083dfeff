// The program behind a port map: events, status and doctor tell whether it is running, and follow it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DaemonStatus } from '../../src/control/wire.js'
import type { Diagnosis } from '../../src/doctor/report.js'
import { connectTcp, readAll } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { isLinux } from '../support/machine.js'
import { freePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

const skip = !isLinux && 'elsewhere, only guests show whether a program listens that is not a game'

/** What a command prints as JSON, run beside a daemon with the same control folder. */
async function answer<T>(stage: Stage, args: string[], folder: string): Promise<T> {
  const process = stage.start([...args, '--json'], { env: { HYPER_NAT_CONTROL: folder } })
  const { stdout } = await process.end(40_000)
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

staged('a game that is not running is waited for, and seen when it starts', async stage => {
  const port = await freePort()
  const entry = { mode: 'server', game: 'minecraft', port, secret: newSecret() }
  const folder = mkdtempSync(join(tmpdir(), 'hn-control-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const daemon = await stage.daemon([entry], { control: folder }, { env: { HYPER_NAT_CONTROL: folder } })
  const closed = await daemon.event('target')
  assert.deepEqual([closed.state, closed.port, closed.name], ['closed', port, 'minecraft-java'])

  const stateOf = async (): Promise<string | undefined> => {
    const { servers } = await answer<DaemonStatus>(stage, ['status', '--pid', `${daemon.pid}`], folder)
    return servers[0]?.maps[0]?.target
  }
  assert.equal(await stateOf(), 'closed')
  const { bootstrap } = await stage.testnet()
  const examine = ['doctor', '--bootstrap', bootstrap.join(',')]
  const ill = await answer<Diagnosis>(stage, examine, folder)
  const check = ill.checks.find(({ name }) => name === 'target')
  assert.equal(check?.verdict, 'problem')
  assert.match(check!.message, new RegExp(`Waiting for Minecraft: Java Edition on port ${port}`))

  const game = net.createServer(socket => socket.destroy()).listen(port, '127.0.0.1')
  stage.defer(() => game.close())
  await daemon.event('target', { where: ({ state }) => state === 'answers' })
  await until(10_000, 'status to say so', async () => (await stateOf()) === 'answers')
})

staged(
  'a program that serves one connection is left to the guest, and seen all the same',
  async stage => {
    const port = await freePort()
    const { server, localPort } = await stage.tunnel([{ proto: 'tcp', port }])
    await server.event('target', { where: ({ state }) => state === 'closed' })
    const greetings: string[] = []
    const once = net.createServer(socket => {
      once.close()
      socket.on('error', () => {})
      socket.on('data', data => {
        greetings.push(data.toString())
        socket.end('served')
      })
    })
    once.listen(port, '127.0.0.1')
    stage.defer(() => once.close())
    await server.event('target', { where: ({ state }) => state === 'answers' })
    const socket = await connectTcp(await localPort('tcp', port))
    stage.defer(() => socket.destroy())
    socket.write('hello')
    assert.equal((await readAll(socket)).toString(), 'served')
    assert.deepEqual(greetings, ['hello'])
  },
  { skip }
)
