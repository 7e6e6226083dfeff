// What programs without TypeScript pass to the library in place of what it wants.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as library from '../../src/index.js'

const { publicKey } = library.keyPairOf('a')
const MAPS = [{ proto: 'tcp', port: 1 }]

/** The library as a program without types sees it. */
const {
  Daemon,
  diagnose,
  encodeKey,
  encodeTicket,
  GuestKey,
  HyperNat,
  joinEntries,
  joinOptions,
  portsOfGame,
  serverTicket,
  serveMetrics
} = library as unknown as Record<string, new (...given: unknown[]) => unknown> &
  Record<string, (...given: unknown[]) => unknown>

const silent = { debug() {}, info() {}, warn() {}, error() {} }

const WRONG: Record<string, readonly (() => unknown)[]> = {
  BAD_TICKET: [
    ...[encodeTicket, serverTicket].flatMap(write => [
      () => write!(),
      () => write!(null),
      () => write!({ publicKey }),
      () => write!({ maps: MAPS }),
      () => write!({ publicKey: 'a'.repeat(32), maps: MAPS }),
      () => write!({ publicKey, maps: 'tcp' }),
      () => write!({ publicKey, maps: [null] }),
      () => write!({ publicKey, maps: [{ ...MAPS[0], name: 5 }] }),
      () => write!({ publicKey, maps: MAPS, relays: 'a' }),
      () => write!({ publicKey, maps: MAPS, relays: [5] }),
      () => write!({ publicKey, maps: MAPS, relays: null }),
      () => write!({ publicKey, maps: MAPS, bootstrap: [5] }),
      () => write!({ publicKey, maps: MAPS, invite: 'a'.repeat(32) })
    ]),
    () => encodeTicket!({ publicKey, maps: MAPS, addresses: [5] }),
    () => new GuestKey!(undefined),
    () => new GuestKey!('a'.repeat(32)),
    () => new GuestKey!({ byteLength: 32 }),
    () => joinOptions!({})
  ],
  BAD_PUBLIC_KEY: [() => encodeKey!(), () => encodeKey!('a')],
  BAD_RECIPE: [() => portsOfGame!(), () => portsOfGame!({})],
  BAD_OPTIONS: [
    () => joinEntries!(),
    () => joinEntries!('hnat1', null, []),
    () => joinEntries!('hnat1', { publicKey, maps: [null] }, []),
    () => joinEntries!('hnat1', { publicKey, maps: MAPS }),
    () => diagnose!(null),
    () => diagnose!({ limits: { bootstrapMs: 'long' } }),
    () => diagnose!({ oncheck: 5 }),
    () => diagnose!({ signal: {} }),
    () => diagnose!({ shared: 5 }),
    () => serveMetrics!(),
    () => serveMetrics!({ port: 'a' }, async () => ({})),
    () => serveMetrics!({ port: 0, host: 5 }, async () => ({})),
    () => serveMetrics!({ port: 0 }),
    () => serveMetrics!({ port: 0 }, async () => ({}), { requestMs: 'long' }),
    () => new Daemon!(undefined),
    () => new Daemon!({}, silent),
    () => new Daemon!({ entries: [], network: {} }),
    () => new HyperNat!(null)
  ]
}

for (const [code, calls] of Object.entries(WRONG)) {
  test(`wrong arguments are refused with ${code}`, async () => {
    for (const call of calls) await assert.rejects(async () => call(), { code }, String(call))
  })
}
