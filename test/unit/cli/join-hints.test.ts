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

test('a game is in its LAN list where that asks the port, and joined by its address elsewhere', () => {
  const maps: TicketMap[] = [{ proto: 'udp', port: 27_960, name: 'openarena' }]
  assert.equal(
    hintsFor(maps),
    'In OpenArena: Multiplayer, Servers: Local: it is in the list. Or in the console: /connect 127.0.0.1:27960\n'
  )
  assert.equal(
    hintsFor(maps, { localPorts: '28500' }),
    'In OpenArena: In the console: /connect 127.0.0.1:28500. The LAN list of the game does not show it here\n'
  )
  assert.match(hintsFor(maps, { discovery: false }), /does not show it here/)
})
