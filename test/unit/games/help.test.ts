// What people are told to type: every recipe, with its ports moved at the host and again at the guest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientMapInfo } from '../../../src/events.js'
import { readGames, SHIPPED } from '../../../src/games/games.js'
import { guestHelp, hostHelp, recipeHelp, serversAmong } from '../../../src/games/help.js'
import type { FoundMap } from '../../../src/games/lobby.js'
import { type GamePort, ownPorts, portsOfGame, type Recipe } from '../../../src/games/recipe.js'
import { shippedRecipe } from '../../support/games.js'

const playable = readGames([SHIPPED]).all.filter(({ works }) => works !== 'no')

/** Far from every port of every recipe, and from each other. */
const AT_HOST = 1000
const AT_GUEST = 2000

/** From a server to another one of the game. */
const BESIDE = 50

interface Shared {
  readonly proto: 'tcp' | 'udp'
  readonly port: number
}

function list(ports: readonly GamePort[]): Shared[] {
  return ports.flatMap(({ port, protos }) => protos.map(proto => ({ proto, port })))
}

/** The ports of a recipe, as -p with a number for each that has one of its own moves them. */
function moved(recipe: Recipe, optional: boolean): Shared[] {
  const own = ownPorts(recipe, optional)
  const shift = own[0]!.port + AT_HOST > 65_535 ? -AT_HOST : AT_HOST
  const wanted = own.map(({ port, moves }) => (moves === 'never' ? port : port + shift))
  const result = portsOfGame(recipe, optional, wanted)
  assert.ok('ports' in result, JSON.stringify(result))
  return list(result.ports)
}

/** Where those are opened at a guest. */
function opened(shared: readonly Shared[], shift: number, localHost = '127.0.0.1'): ClientMapInfo[] {
  return shared.map(({ proto, port }) => ({ proto, port, localHost, localPort: port + shift }))
}

/** Maps that are in the LAN list of the game, whatever their ports. */
function listedMaps(recipe: Recipe, maps: readonly ClientMapInfo[]): (ClientMapInfo & FoundMap)[] {
  const discovery = {
    how: 'client-queries',
    ports: '1-65535',
    maxBytes: 1,
    answer: { codec: 'none' }
  } as const
  return maps.map(map => ({ ...map, lobby: { game: recipe.id, title: recipe.name, discovery } }))
}

/** The numbers that a recipe can have its ports at in other orders: those with a setting of their own trade places. */
function swapped(recipe: Recipe, optional: boolean): GamePort[][] {
  const own = ownPorts(recipe, optional)
  const shift = own[0]!.port + AT_HOST > 65_535 ? -AT_HOST : AT_HOST
  const free = own.flatMap(({ moves }, i) => (moves === undefined ? [i] : []))
  const numbers = free.map(i => own[i]!.port)
  const orders = [
    numbers,
    [...numbers].reverse(),
    [...numbers.slice(1), numbers[0]!],
    // Each at the usual number of the one before it, the first at one of its own.
    [numbers[0]! + shift, ...numbers.slice(0, -1)],
    [numbers.at(-1)! + shift, ...numbers.slice(0, -1).reverse()]
  ]
  return orders.flatMap(order => {
    const base = order[0]!
    const wanted = own.map(({ port, moves }, i) =>
      moves === undefined ? order[free.indexOf(i)]! : moves === 'along' ? port - own[0]!.port + base : port
    )
    const result = portsOfGame(recipe, optional, wanted)
    // Two may fall on one number.
    return 'ports' in result ? [[...result.ports]] : []
  })
}

/** A line of a recipe with its own ports replaced, port by port. */
function filled(line: string, own: readonly { port: number }[], at: (index: number) => number): string {
  return line.replace(/\{(host|port|address)(?::(\d+))?\}/g, (_, kind: string, number?: string) => {
    const index = number === undefined ? 0 : own.findIndex(({ port }) => port === Number(number))
    if (kind === 'host') return '127.0.0.1'
    return kind === 'port' ? `${at(index)}` : `127.0.0.1:${at(index)}`
  })
}

/** Ports in a text: numbers that are none of an address, and none that the recipe's own lines have in every case. */
function portsIn(text: string, line: string): number[] {
  const fixed = new Set(line.replace(/\{[^}]*\}/g, '').match(/\d+/g))
  const numbers = text.replace(/\d+\.\d+\.\d+\.\d+/g, '').match(/\d+/g) ?? []
  return numbers.filter(number => !fixed.has(number)).map(Number)
}

for (const recipe of playable) {
  for (const optional of [false, true]) {
    test(`${recipe.id}${optional ? ' with its optional ports' : ''}: the instructions have the ports that are open`, () => {
      const shared = moved(recipe, optional)
      const told = portsIn(hostHelp(recipe, '127.0.0.1', shared), `${recipe.host} ${recipe.why}`)
      assert.deepEqual(
        told.filter(port => !shared.some(one => one.port === port)),
        []
      )
      for (const shift of recipe.guestPorts === 'same' ? [0] : [0, AT_GUEST]) {
        const maps = opened(shared, shift, '127.0.0.2')
        const text = guestHelp(recipe, maps)
        assert.ok(text, 'something is told')
        if (/\{(host|address)/.test(recipe.guest)) assert.match(text, /127\.0\.0\.2/)
        const ports = portsIn(text, recipe.guest)
        assert.ok(ports.length > 0, text)
        assert.deepEqual(
          ports.filter(port => !maps.some(map => map.localPort === port)),
          [],
          text
        )
      }
    })
  }

  test(`${recipe.id}: each port is told by its place, whichever usual number it has`, () => {
    for (const optional of [false, true]) {
      const own = ownPorts(recipe, optional)
      for (const ports of swapped(recipe, optional)) {
        const shared = list(ports)
        const at = (index: number): number => ports[index]!.port
        const host = hostHelp(recipe, '127.0.0.1', shared)
        assert.ok(
          host.startsWith(filled(recipe.host, own, at)),
          `${host} for ${ports.map(({ port }) => port)}`
        )
        for (const shift of [0, AT_GUEST]) {
          const told = guestHelp(recipe, listedMaps(recipe, opened(shared, shift)), 'linux')
          assert.equal(
            told,
            filled(
              recipe.lan === undefined ? recipe.guest : `${recipe.lan}. Or by address: ${recipe.guest}`,
              own,
              index => at(index) + shift
            )
          )
        }
      }
    }
  })

  test(`${recipe.id}: its lines hold no port of their own`, () => {
    const own = ownPorts(recipe, true).map(({ port }) => `${port}`)
    const { discovery } = recipe
    // A LAN list that asks certain ports is told as it is.
    const asked = discovery.how === 'client-queries' ? `${discovery.ports}`.split('-') : []
    for (const line of [recipe.host, recipe.lan ?? '', recipe.guest, recipe.why ?? '']) {
      const numbers = line.replace(/\{[^}]*\}/g, '').match(/\b\d+/g) ?? []
      assert.deepEqual(
        numbers.filter(number => own.includes(number) && !asked.includes(number)),
        [],
        line
      )
    }
  })
}

for (const recipe of playable.filter(({ works }) => works === 'yes')) {
  test(`${recipe.id}: where its LAN list shows nothing, the address is told instead`, () => {
    const told = guestHelp(recipe, opened(moved(recipe, false), AT_GUEST), 'linux')!
    const [way, note, ...more] = told.split('. ')
    assert.equal(note, 'The LAN list of the game does not show it here')
    assert.deepEqual(more, [])
    assert.match(way!, /127\.0\.0\.1(:|, port )\d+/)
    assert.doesNotMatch(way!, /list|shows|LAN/)
  })
}

for (const recipe of playable) {
  test(`${recipe.id}: two servers of one name are told apart, and one with its optional ports is one`, () => {
    const at = (optional: boolean, ports: number[]): Shared[] => {
      const result = portsOfGame(recipe, optional, ports)
      assert.ok('ports' in result, JSON.stringify(result))
      return list(result.ports)
    }
    for (const optional of [false, true]) {
      const one = at(optional, [ownPorts(recipe, true)[0]!.port + BESIDE])
      assert.deepEqual(serversAmong(recipe, one), [one])
    }
    const own = ownPorts(recipe, false)
    // Of a port that never moves, there is one.
    if (own.some(({ moves }) => moves === 'never')) return
    const first = at(false, [])
    const second = at(
      false,
      own.map(({ port }) => port + BESIDE)
    )
    assert.deepEqual(serversAmong(recipe, [...first, ...second]), [first, second])
  })
}

test('the port of the game is found whatever the order of the maps, and without the others', () => {
  const sunshine = shippedRecipe('sunshine')
  const maps = opened(moved(sunshine, false), 0).reverse()
  assert.equal(guestHelp(sunshine, maps), 'In Moonlight, Add PC: 127.0.0.1:48989')
  const valheim = shippedRecipe('valheim')
  const [game, query] = opened(moved(valheim, false), 0)
  assert.match(guestHelp(valheim, [query!, game!])!, /127\.0\.0\.1:3456/)
  // The query port alone is no place to join at.
  assert.equal(guestHelp(valheim, [query!]), undefined)
})

test('the address of a port that has a setting of its own is found in the order of the recipe', () => {
  const enshrouded = shippedRecipe('enshrouded')
  const query = ownPorts(enshrouded, false).at(-1)!.port
  const maps = opened(moved(enshrouded, false), 7)
  assert.match(guestHelp(enshrouded, maps)!, new RegExp(`127\\.0\\.0\\.1:${query + AT_HOST + 7}\\b`))
})

test('an address of IPv6 stands in brackets', () => {
  assert.match(
    guestHelp(shippedRecipe('openarena'), [
      { proto: 'udp', port: 27_960, localHost: '::1', localPort: 27_960 }
    ])!,
    /\[::1\]:27960/
  )
  assert.match(recipeHelp(shippedRecipe('openarena'), '127.0.0.1').guest, /127\.0\.0\.1:27960/)
})

test('on Windows, a game that is kept from 127.0.0.1 comes with the command that allows it', () => {
  const bedrock = shippedRecipe('minecraft-bedrock')
  const maps = opened([{ proto: 'udp', port: 19_132 }], 0)
  const command = 'CheckNetIsolation LoopbackExempt -a -n="Microsoft.MinecraftUWP_8wekyb3d8bbwe"'
  assert.ok(guestHelp(bedrock, maps, 'win32')!.endsWith(command))
  assert.ok(!guestHelp(bedrock, maps, 'linux')!.includes('CheckNetIsolation'))
  const java = opened([{ proto: 'tcp', port: 25_565 }], 0)
  assert.ok(!guestHelp(shippedRecipe('minecraft-java'), java, 'win32')!.includes('CheckNetIsolation'))
})
