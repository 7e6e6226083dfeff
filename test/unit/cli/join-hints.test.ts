// What a guest is told to type.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinHints } from '../../../src/cli/join-hints.js'
import { knownGames } from '../../../src/games/games.js'
import { decodeKey } from '../../../src/identity/encoding.js'
import { encodeTicket, type TicketMap } from '../../../src/identity/ticket.js'
import type { ClientEntry } from '../../../src/options/entry.js'
import { joinOptions } from '../../../src/options/join.js'

/** What `hyper-nat join` prints of a ticket with these port maps. */
function hintsFor(
  maps: readonly TicketMap[],
  flags: { localPorts?: string; discovery?: boolean } = {}
): string {
  const ticket = encodeTicket({ publicKey: decodeKey('EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'), maps })
  const entries = joinOptions({ ticket, ...flags }).entries as ClientEntry[]
  return joinHints(entries, entries, name => knownGames().ofMap(name))
}

test('of two servers of a game without names, each is told', () => {
  const at = (port: number): TicketMap => ({ proto: 'udp', port, name: 'openarena' })
  assert.deepEqual(hintsFor([at(27_960), at(27_970)]).match(/127\.0\.0\.1:\d+/g), [
    '127.0.0.1:27960',
    '127.0.0.1:27970'
  ])
  const icarus = (port: number): TicketMap => ({ proto: 'udp', port, name: 'icarus' })
  const hints = hintsFor([icarus(17_777), icarus(27_015), icarus(17_778), icarus(27_016)])
  assert.deepEqual(hints.match(/127\.0\.0\.1:\d+/g), ['127.0.0.1:27015', '127.0.0.1:27016'])
})

test('a game is in its LAN list where that asks the port, and joined by its address elsewhere', () => {
  const maps: TicketMap[] = [{ proto: 'udp', port: 27_960, name: 'openarena' }]
  assert.equal(
    hintsFor(maps),
    'In OpenArena: Multiplayer, Servers: Local: it is in the list. Or by address: In the console: /connect 127.0.0.1:27960\n'
  )
  assert.equal(
    hintsFor(maps, { localPorts: '28500' }),
    'In OpenArena: In the console: /connect 127.0.0.1:28500. The LAN list of the game does not show it here\n'
  )
  assert.match(hintsFor(maps, { discovery: false }), /does not show it here/)
})
