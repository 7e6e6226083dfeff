/** What happens to the {@link World}: each disaster is over when it resolves, and none of them is an excuse for a lost byte. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../test/support/deadline.js'
import type { HyperNat } from '../../test/support/hyper-nat.js'
import type { Random } from '../../test/support/random.js'
import { command, type World } from './world.js'

export interface Disaster {
  readonly name: string
  /** Guests, by their index, whose connections it may end. */
  readonly ends: readonly number[]
  run(world: World, random: Random): Promise<void>
}

/** Short of descriptors a server keeps so many more than it has open. */
const SPARE = 4

const ALL = [0, 1, 2]

/** How long a program may take to start on a machine that does much else. */
const START_MS = 60_000

async function paused(process: HyperNat, ms: number): Promise<void> {
  process.kill('SIGSTOP')
  await pause(ms)
  process.kill('SIGCONT')
}

/** How long a path is away: within the time that sessions wait. */
const away = (random: Random): number => random.between(2000, 20_000)

export const DISASTERS: readonly Disaster[] = [
  {
    name: 'the server is paused',
    ends: [],
    run: ({ server }, random) => paused(server, random.between(500, 8000))
  },
  ...[0, 1, 2].map(
    (i): Disaster => ({
      name: `guest ${i + 1} is paused`,
      ends: [],
      run: ({ guests }, random) => paused(guests[i]!.daemon, random.between(500, 8000))
    })
  ),
  {
    name: "the server's cable is out",
    ends: [],
    async run({ lab, serverHome }, random) {
      await lab.unplug(serverHome.cable)
      await pause(away(random))
      await lab.plugIn(serverHome.cable)
    }
  },
  ...[1, 2].map(
    (i): Disaster => ({
      name: `the cable of guest ${i + 1}'s router is out`,
      ends: [],
      async run({ lab, guests }, random) {
        const { uplink } = guests[i]!.home
        await lab.unplug(uplink)
        await pause(away(random))
        await lab.plugIn(uplink)
      }
    })
  ),
  {
    name: 'guest 1 has another address',
    ends: [],
    run: ({ lab, guests }) => lab.readdress(guests[0]!.home.prefix.at(-1)!)
  },
  {
    name: "the server's router has another address",
    ends: [],
    run: ({ lab, serverHome }) => lab.readdress(serverHome.router!)
  },
  {
    name: 'the relay is killed and started again',
    ends: [],
    async run(world, random) {
      world.relay.relay.kill('SIGKILL')
      await world.relay.relay.end()
      await pause(random.between(1000, 10_000))
      world.relay = await world.relay.again()
    }
  },
  {
    name: 'guest 3 is killed and started again',
    ends: [2],
    async run({ guests }) {
      await guests[2]!.kill()
      await pause(1000)
      guests[2]!.restart()
      await guests[2]!.daemon.event('ready', { ms: START_MS })
    }
  },
  {
    name: 'options are rewritten',
    ends: [],
    async run(world) {
      const from = world.server.mark
      world.writeServer()
      world.server.kill('SIGHUP')
      await world.server.event('ready', { from, ms: START_MS })
    }
  },
  {
    name: 'the disk is full',
    ends: [],
    async run({ logs }, random) {
      const file = join(logs, 'full')
      await command('sh', ['-c', `dd if=/dev/zero of=${file} bs=4096 2>/dev/null || true`])
      await pause(random.between(3000, 10_000))
      rmSync(file)
    }
  },
  {
    name: 'the server is short of descriptors',
    ends: ALL,
    async run({ server }, random) {
      const proc = `/proc/${server.pid}`
      const limit = (count: number | string) =>
        command('prlimit', ['--pid', `${server.pid}`, `--nofile=${count}:`])
      const [, before = '1024'] =
        /^Max open files\s+(\d+)/m.exec(readFileSync(`${proc}/limits`, 'utf8')) ?? []
      await limit(readdirSync(`${proc}/fd`).length + SPARE)
      await pause(random.between(3000, 10_000))
      await limit(before)
    }
  }
]
