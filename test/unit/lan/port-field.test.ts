// The port inside of discovery datagrams: bytes as real games send them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Announces, PortField, Queries } from '../../../src/games/discovery.js'
import { announcedPort, announcementOf, isQuery, withPort } from '../../../src/lan/port-field.js'
import { shippedRecipe } from '../../support/games.js'

function announces(id: string): Announces {
  const { discovery } = shippedRecipe(id)
  assert.ok(discovery.how === 'server-announces')
  return discovery
}

function queries(id: string): Queries {
  const { discovery } = shippedRecipe(id)
  assert.ok(discovery.how === 'client-queries')
  return discovery
}

const text = (string: string): Buffer => Buffer.from(string, 'utf8')
const hex = (string: string): Buffer => Buffer.from(string.replaceAll(' ', ''), 'hex')

// `[MOTD]Anna - W\u00f6rld[/MOTD][AD]51234[/AD]`
const MINECRAFT = hex('5b4d4f54445d416e6e61202d2057c3b6726c645b2f4d4f54445d5b41445d35313233345b2f41445d')
const FACTORIO = hex('00 9585')
// 1010, port 7777, the names of the world and of the host behind their lengths, size, mode, players
const TERRARIA = hex('f2030000 611e0000 05 576f726c64 02 5043 d8100000 00 08 01')

// [game, datagram, port]
const ANNOUNCED: [string, Buffer, number][] = [
  ['minecraft-java', MINECRAFT, 51_234],
  ['minecraft-java', text('[MOTD][/MOTD][AD]1[/AD]'), 1],
  ['factorio', FACTORIO, 34_197],
  ['terraria', TERRARIA, 7777]
]

for (const [game, datagram, port] of ANNOUNCED) {
  test(`${game} announces port ${port}`, () =>
    assert.equal(announcedPort(announces(game), datagram, 1), port))
}

test('where the port is that of the sender', () => {
  assert.equal(
    announcedPort({ ...announces('factorio'), field: { codec: 'none' } }, FACTORIO, 10_666),
    10_666
  )
})

// What a hostile host might send to a guest.
const NONE: [string, string, Buffer][] = [
  ['nothing', 'minecraft-java', hex('')],
  ['another beginning', 'minecraft-java', text('x[MOTD]a[/MOTD][AD]1[/AD]')],
  ['no port', 'minecraft-java', text('[MOTD]a[/MOTD]')],
  ['port 0', 'minecraft-java', text('[MOTD]a[/MOTD][AD]0[/AD]')],
  ['port 65536', 'minecraft-java', text('[MOTD]a[/MOTD][AD]65536[/AD]')],
  ['a port with a sign', 'minecraft-java', text('[MOTD]a[/MOTD][AD]+1[/AD]')],
  ['an address', 'minecraft-java', text('[MOTD]a[/MOTD][AD]6.6.6.6:1[/AD]')],
  ['a field without an end', 'minecraft-java', text('[MOTD]a[/MOTD][AD]1')],
  ['two ports', 'minecraft-java', text('[MOTD]a[/MOTD][AD]22[/AD][AD]1[/AD]')],
  ['what does not print', 'minecraft-java', text('[MOTD]a\u001b[0m[/MOTD][AD]1[/AD]')],
  ['no UTF-8', 'minecraft-java', Buffer.concat([text('[MOTD]'), hex('ff'), text('[/MOTD][AD]1[/AD]')])],
  ['too much', 'minecraft-java', text(`[MOTD]${'a'.repeat(500)}[/MOTD][AD]1[/AD]`)],
  ['too little', 'factorio', hex('0095')],
  ['more than there is', 'factorio', hex('00958500')],
  ['port 0 in bytes', 'factorio', hex('000000')],
  ['another number', 'terraria', hex('f2030001 611e0000')],
  ['a port beyond all', 'terraria', hex('f2030000 00000100')]
]

for (const [what, game, datagram] of NONE) {
  test(`no announcement of ${game}: ${what}`, () =>
    assert.equal(announcedPort(announces(game), datagram, 1), null))
}

test('every cut of an announcement is none, or the same', () => {
  for (const [game, datagram, port] of ANNOUNCED) {
    for (let size = 0; size < datagram.length; size++) {
      const found = announcedPort(announces(game), datagram.subarray(0, size), 10_666)
      assert.ok(found === null || found === port, `${game} ${size}`)
    }
  }
})

test('another port in the place of the announced one', () => {
  const field = (game: string): PortField => announces(game).field
  assert.equal(
    String(withPort(field('minecraft-java'), text('[MOTD]a 51234[/MOTD][AD]51234[/AD]'), 7)),
    '[MOTD]a 51234[/MOTD][AD]7[/AD]'
  )
  assert.deepEqual(withPort(field('factorio'), FACTORIO, 0x1234), hex('00 3412'))
  assert.deepEqual(withPort({ codec: 'u16be-at', at: 1 }, FACTORIO, 0x1234), hex('00 1234'))
  const moved = Buffer.from(TERRARIA)
  moved.writeUInt32LE(7778, 4)
  assert.deepEqual(withPort(field('terraria'), TERRARIA, 7778), moved)
  // The one that came is left as it is.
  assert.equal(TERRARIA.readUInt32LE(4), 7777)
  assert.equal(withPort(field('factorio'), FACTORIO, 34_197), FACTORIO)
  assert.deepEqual(withPort({ codec: 'none' }, FACTORIO, 1), FACTORIO)
})

// An answer to A2S_INFO: name, map, folder and game, the id, numbers, the version, and extra data with the port and a Steam id.
const A2S = (id: string, ship: string, extra: string): Buffer =>
  Buffer.concat([
    hex('ffffffff 49 11'),
    text('A server\0de_dust2\0cstrike\0Counter-Strike: Source\0'),
    hex(`${id} 02 10 00 64 6c 00 01 ${ship}`),
    text('1.0.0.70\0'),
    hex(extra)
  ])

test("the port in a Source server's answer", () => {
  const port = { codec: 'a2s' } as const
  const end = '0102030405060708'
  assert.deepEqual(
    withPort(port, A2S('f000', '', `91 8769 ${end}`), 0x1234),
    A2S('f000', '', `91 3412 ${end}`)
  )
  // The Ship has three bytes more.
  assert.deepEqual(withPort(port, A2S('6009', '010203', '80 8769'), 0x1234), A2S('6009', '010203', '80 3412'))
  // No extra data, extra data without a port, a challenge in place of an answer.
  for (const same of [A2S('f000', '', ''), A2S('f000', '', `11 ${end}`), hex('ffffffff 41 0a0b0c0d')]) {
    assert.equal(withPort(port, same, 1), same)
  }
  const whole = A2S('f000', '', `91 8769 ${end}`)
  for (let size = 0; size < whole.length; size++) {
    const cut = whole.subarray(0, size)
    const port = size >= whole.length - 8 ? 1 : 0
    assert.equal(Number(withPort({ codec: 'a2s' }, cut, 1) !== cut), port, `${size}`)
  }
})

test('queries of games, and what is none', () => {
  const quake = queries('openarena')
  assert.ok(isQuery(quake, Buffer.from('\xff\xff\xff\xffgetinfo xxx', 'latin1')))
  assert.ok(!isQuery(quake, Buffer.from('\xff\xff\xff\xffconnect "x"', 'latin1')))
  assert.ok(!isQuery(quake, Buffer.from(`\xff\xff\xff\xffgetinfo ${'x'.repeat(200)}`, 'latin1')))
  assert.ok(!isQuery(quake, hex('')))
  const source = queries('team-fortress-2')
  const ask = hex('ffffffff 54 536f7572636520456e67696e6520517565727900')
  assert.ok(isQuery(source, ask))
  // With the challenge of the answer behind it.
  assert.ok(isQuery(source, Buffer.concat([ask, hex('0a0b0c0d')])))
  assert.ok(isQuery(queries('supertuxkart'), hex('0a 73746b2d736572766572')))
  assert.ok(isQuery(queries('openttd'), hex('03 00 00')))
})

test('a name that is made up stays inside its field', () => {
  const { template } = announces('minecraft-java')
  assert.equal(
    String(announcementOf(template!, ' A [/MOTD][AD]22[/AD]\u001b $& w\u00f6rld ', 25_565)),
    '[MOTD]A  /MOTD  AD 22 /AD   $& w\u00f6rld[/MOTD][AD]25565[/AD]'
  )
  assert.equal(
    String(announcementOf(template!, '{port} {name}', 25_565)),
    '[MOTD]{port} {name}[/MOTD][AD]25565[/AD]'
  )
})

test('a name of any length is announced', () => {
  const discovery = announces('minecraft-java')
  for (const name of ['a'.repeat(1000), '\u{1f600}'.repeat(1000)]) {
    const payload = announcementOf(discovery.template!, name, 25_565)
    assert.equal(announcedPort(discovery, payload, 1), 25_565)
  }
})
