// LAN lists of games between two homes, with the ports and addresses that the real games have.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GETINFO, INFO } from '../support/games.js'
import { HyperNat, writeOptions } from '../support/hyper-nat.js'
import { Process } from '../support/process.js'
import { newSecret } from '../support/stage.js'
import type { Home } from './lab.js'
import { lab, skip, useLab } from './side.js'

useLab()

const GAME = join(dirname(fileURLToPath(import.meta.url)), 'game.js')

test('guests find a world and an arena in their LAN lists; their neighbours do not', {
  skip,
  timeout: 60_000
}, async () => {
  const [hosts] = await lab.lan(1)
  const [guests, neighbours] = await lab.lan(2)
  const running: Process[] = []
  const start = async (home: Home, ...args: string[]): Promise<Process> => {
    const [command = '', ...prefix] = home.prefix
    const one = new Process(command, [...prefix, process.execPath, GAME, ...args], { name: args.join(' ') })
    running.push(one)
    await one.says(/^open$/m)
    return one
  }
  const daemon = (home: Home, args: readonly string[]): HyperNat => {
    const one = new HyperNat([...args, '--json', '--bootstrap', lab.bootstrap], { prefix: home.prefix })
    running.push(one)
    return one
  }
  const secret = newSecret()
  const common = { mode: 'server', secret }
  // The world is open where Minecraft's dedicated server is not.
  const schema = [
    { ...common, game: 'minecraft', port: 54_321 },
    { ...common, game: 'quake-3' }
  ]
  const written = writeOptions({ schema })
  try {
    await start(hosts!, 'world', '54321', "Anna's world")
    const arena = await start(hosts!, 'arena', '27960')
    const ready = await daemon(hosts!, ['-c', written.file]).event('ready')
    const ticket = (ready.mode === 'server' && ready.ticket) || ''
    const guest = daemon(guests!, ['join', ticket])
    await guest.event('connected')

    // Minecraft: at the guest's loopback, and not in its LAN.
    const list = await start(guests!, 'listen', '4445', '224.0.2.60')
    const others = await start(neighbours!, 'listen', '4445', '224.0.2.60')
    await list.says(/^heard 127\.0\.0\.1:\d+ "\[MOTD\]Anna's world\[\/MOTD\]\[AD\]54321\[\/AD\]"$/m)

    // Quake III: found by a broadcast, at loopback.
    const player = await start(guests!, 'ask')
    const ask = (one: Process, address: string, port: number, text: string): void =>
      one.input(`${address} ${port} ${JSON.stringify(text)}\n`, false)
    ask(player, '255.255.255.255', 27_960, `${GETINFO} player`)
    await player.says(/^heard 127\.0\.0\.1:27960 /m)
    assert.ok(player.stdout.includes(JSON.stringify(INFO)), player.describe())

    // The neighbour's broadcasts reach the guest's computer, and go no further.
    const control = await start(guests!, 'listen', '27999')
    const neighbour = await start(neighbours!, 'ask')
    for (const address of ['255.255.255.255', '192.168.7.10']) {
      ask(neighbour, address, 27_960, `${GETINFO} neighbour`)
      ask(neighbour, address, 27_999, `control ${address}`)
      await control.says(new RegExp(`control ${address}`))
    }
    ask(player, '255.255.255.255', 27_960, `${GETINFO} last`)
    await arena.says(/getinfo xxx last/)
    assert.ok(!arena.stdout.includes('neighbour'), arena.describe())
    assert.ok(!neighbour.stdout.includes('heard'), neighbour.describe())
    assert.ok(!others.stdout.includes('heard'), others.describe())

    // Nobody takes the world's own announcements for a mistake, nor those of the arena.
    assert.deepEqual(
      guest.events.filter(({ event }) => event === 'warning'),
      []
    )
  } finally {
    await Promise.all(running.map(one => one.stop()))
    written.remove()
  }
})
