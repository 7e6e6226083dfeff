import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientEntry } from '../../src/options/entry.js'
import { RunningEntries } from '../../src/running-entries.js'
import { listenTcp } from '../../src/sockets/tcp.js'
import { listenUdp } from '../../src/sockets/udp.js'

/** Listening at the second keeps a port from being opened at the first. */
const MOVES = [
  ['127.0.0.1', '0.0.0.0'],
  ['127.0.0.1', 'localhost'],
  ['localhost', '127.0.0.1']
] as const

for (const [proto, now, next] of (['tcp', 'udp'] as const).flatMap(proto =>
  MOVES.map(move => [proto, ...move] as const)
)) {
  test(`a ${proto} port that moves from ${now} to ${next} is not taken by another program`, async t => {
    const listener = await (proto === 'tcp' ? listenTcp : listenUdp)('127.0.0.1', 0, () => {})
    t.after(() => listener.close())
    const entry = {
      mode: 'client',
      proto,
      port: 80,
      localHost: now,
      localPort: listener.port,
      path: 'schema[0]',
      publicKey: new Uint8Array(32)
    } as ClientEntry
    const handle = { close: async () => {}, setMaps: async () => {} }
    const running = new RunningEntries({
      node: { open: async () => handle },
      former: async () => [],
      identityFor: async () => undefined,
      emit: () => {},
      isClosed: () => false
    } as never)
    const group = (...entries: ClientEntry[]) => [{ key: 'k', publicKey: 'K', entries }]
    await running.openClients(group(entry))
    const moved = { ...entry, localHost: next }
    await running.tryPorts(group(moved), group(entry))
    // Not both: the first stays, and is in the way.
    const name = process.platform === 'linux' ? `node (process ${process.pid})` : ''
    await assert.rejects(running.tryPorts(group(entry, moved), group(entry)), (err: Error) =>
      err.message.includes(name)
    )
  })
}
