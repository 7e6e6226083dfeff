// LAN lists of games between two homes, with the ports and addresses that the real games have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../support/deadline.js'
import { GETINFO, INFO } from '../support/games.js'
import type { Process } from '../support/process.js'
import { WITHIN_MS, withPrograms } from './programs.js'
import { lab, skip, useLab } from './side.js'

useLab()

function ask(one: Process, address: string, port: number, text: string): void {
  one.input(`${address} ${port} ${JSON.stringify(text)}\n`, false)
}

/** What a stand-in has heard: senders and texts. */
function heard({ stdout }: Process): { from: string; text: string }[] {
  return [...stdout.matchAll(/^heard ([\d.]+):\d+ (".*")$/gm)].map(([, from = '', text = '""']) => ({
    from,
    text: JSON.parse(text) as string
  }))
}

test(
  'a guest finds a world and an arena in the LAN list; a neighbour does not',
  { skip, timeout: 60_000 },
  () =>
    withPrograms(async programs => {
      const [hosts] = await lab.lan(1)
      const [guests, neighbours] = await lab.lan(2)
      await programs.game(hosts!, 'world', '54321', "Anna's world")
      const arena = await programs.game(hosts!, 'arena', '27960')
      // The world is open where Minecraft's dedicated server is not.
      const ticket = await programs.host(hosts!, [{ game: 'minecraft', port: 54_321 }, { game: 'quake-3' }])
      const guest = await programs.guest(guests!, ticket)

      // Minecraft: at the guest's loopback, and not in its LAN.
      const list = await programs.game(guests!, 'listen', '4445', '224.0.2.60')
      const others = await programs.game(neighbours!, 'listen', '4445', '224.0.2.60')
      await list.says(
        /^heard 127\.0\.0\.1:\d+ "\[MOTD\]Anna's world\[\/MOTD\]\[AD\]54321\[\/AD\]"$/m,
        WITHIN_MS
      )

      // Quake III: found by a broadcast, at loopback.
      const player = await programs.game(guests!, 'ask')
      ask(player, '255.255.255.255', 27_960, `${GETINFO} player`)
      await player.says(/^heard 127\.0\.0\.1:27960 /m)
      assert.deepEqual(heard(player), [{ from: '127.0.0.1', text: INFO }])

      // The neighbour's broadcasts reach the guest's computer, and go no further.
      const control = await programs.game(guests!, 'listen', '27999')
      const neighbour = await programs.game(neighbours!, 'ask')
      for (const address of ['255.255.255.255', '192.168.7.10']) {
        ask(neighbour, address, 27_960, `${GETINFO} neighbour`)
        ask(neighbour, address, 27_999, `control ${address}`)
        await control.says(new RegExp(`control ${address}`))
      }
      ask(player, '255.255.255.255', 27_960, `${GETINFO} last`)
      await arena.says(/getinfo xxx last/)
      assert.deepEqual(
        heard(arena).map(({ text }) => text),
        [`${GETINFO} player`, `${GETINFO} last`]
      )
      assert.deepEqual([...heard(neighbour), ...heard(others)], [])
      assert.deepEqual(
        guest.events.filter(({ event }) => event === 'warning'),
        []
      )
    })
)

test(
  'two guests in one LAN, one of them a host, and a host that is a guest: each world once, nothing in circles',
  {
    skip,
    timeout: 60_000
  },
  () =>
    withPrograms(async programs => {
      const [first] = await lab.lan(1)
      const [second, third] = await lab.lan(2)
      const [, , arena] = await Promise.all([
        programs.game(first!, 'world', '25565', 'First'),
        programs.game(second!, 'world', '25570', 'Second'),
        programs.game(first!, 'arena', '27960')
      ])
      const [games = '', more = ''] = await Promise.all([
        programs.host(first!, [{ game: 'minecraft' }, { game: 'quake-3' }]),
        programs.host(second!, [{ game: 'minecraft', port: 25_570 }])
      ])
      await Promise.all([
        programs.guest(second!, games),
        programs.guest(third!, games),
        programs.guest(first!, more)
      ])

      const lists = await Promise.all(
        [first, second, third].map(home => programs.game(home!, 'listen', '4445', '224.0.2.60'))
      )
      const [one, two, three] = lists as [Process, Process, Process]
      await Promise.all([
        one.says(/^heard 127.*Second/m, WITHIN_MS),
        two.says(/^heard 127.*First/m, WITHIN_MS),
        three.says(/^heard 127.*First/m, WITHIN_MS)
      ])
      // Time enough for more than one round in a circle.
      const most = heard(one).length + 3
      await until(15_000, 'announcements to come again', () => heard(one).length >= most)
      const repeated = lists.map(
        list => new Set(heard(list).flatMap(({ from, text }) => (from === '127.0.0.1' ? [text] : [])))
      )
      assert.deepEqual(
        repeated.map(texts => [...texts]),
        [
          ['[MOTD]Second[/MOTD][AD]25570[/AD]'],
          ['[MOTD]First[/MOTD][AD]25565[/AD]'],
          ['[MOTD]First[/MOTD][AD]25565[/AD]']
        ]
      )

      // Both guests hear the query of one of them; one answers, once.
      const player = await programs.game(third!, 'ask')
      ask(player, '255.255.255.255', 27_960, GETINFO)
      await player.says(/^heard /m)
      ask(player, '127.0.0.1', 27_960, `${GETINFO} last`)
      // It answers before it says what it has heard.
      await Promise.all([player.says(/^heard [\s\S]*^heard /m), arena.says(/getinfo xxx last/)])
      assert.deepEqual(
        heard(player).map(({ from }) => from),
        ['127.0.0.1', '127.0.0.1']
      )
      assert.deepEqual(
        heard(arena).map(({ text }) => text),
        [GETINFO, `${GETINFO} last`]
      )
    })
)
