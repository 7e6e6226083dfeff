// The line at the foot of a terminal, and what is printed above it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveLine } from '../../../src/cli/live-status.js'
import { TextOutput } from '../../../src/cli/output.js'
import type { DaemonEvent } from '../../../src/events.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const PEER = 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w'
const HOST = '7Xf3kQ2m'

/** To the start of the line, and erases it. */
const ERASE = '\r\u001b[K'

/** A terminal as somebody sees it: lines that have ended, and the one at its foot. */
class Terminal {
  lines: string[] = []
  foot = ''

  readonly write = (text: string): void => {
    for (const [index, part] of text.split(ERASE).entries()) {
      const [first = '', ...rest] = part.split('\n')
      this.foot = index > 0 ? first : this.foot + first
      for (const line of rest) {
        this.lines.push(this.foot)
        this.foot = line
      }
    }
  }
}

function terminal(width = 100) {
  const size = { columns: width }
  const screen = new Terminal()
  const clock = new VirtualClock()
  const live = new LiveLine({ stdout: screen.write, stderr: screen.write }, () => size.columns, clock)
  const output = new TextOutput({ stdout: screen.write, stderr: screen.write }, false, [], {
    interactive: true,
    live
  })
  live.show()
  const feet = (...events: DaemonEvent[]): string[] =>
    events.map(event => {
      output.event(event)
      return screen.foot
    })
  return { screen, size, clock, live, output, feet }
}

const ready: DaemonEvent = {
  event: 'ready',
  mode: 'server',
  publicKey: KEY,
  ticket: 'hnat1x',
  maps: [{ proto: 'tcp', port: 80, host: '127.0.0.1' }]
}
const guest = { publicKey: KEY, peer: PEER, host: HOST }

test('a host sees at the foot how far it is: announced, who connects, who is here and how', () => {
  const { screen, live, feet } = terminal()
  assert.equal(screen.foot, 'Connecting to the network ...')
  assert.deepEqual(
    feet(
      ready,
      { event: 'connecting', publicKey: KEY, peer: PEER },
      { event: 'connected', ...guest, name: 'Anna', path: 'direct' },
      { event: 'connected', ...guest, name: 'Anna', path: 'relayed', was: 'direct' },
      { event: 'disconnected', ...guest, code: 'GOODBYE' }
    ),
    [
      'Announced, waiting for guests',
      'Announced, waiting for guests; a guest is connecting ...',
      'Announced, 1 guest: "Anna" (direct)',
      'Announced, 1 guest: "Anna" (relayed)',
      'Announced, waiting for guests'
    ]
  )
  assert.ok(screen.lines.includes('  hyper-nat join hnat1x'))
  assert.equal(screen.lines.filter(line => /Announced,/.test(line)).length, 0, 'it is no line of its own')
  live.close()
  assert.equal(screen.foot, '')
})

test('a guest who never arrives is not said to be connecting for ever', () => {
  const { screen, clock, feet } = terminal()
  feet(ready, { event: 'connecting', publicKey: KEY, peer: PEER })
  clock.run(16_000)
  assert.equal(screen.foot, 'Announced, waiting for guests')
})

test('without a way to the network the foot says so, until there is one', () => {
  const { screen, feet } = terminal()
  const offline = {
    event: 'warning',
    code: 'DHT_UNREACHABLE',
    message: 'No way out.',
    publicKey: KEY
  } as const
  assert.deepEqual(feet(offline, ready, { event: 'announced', publicKey: KEY }), [
    'No connection to the network yet, trying again',
    'No connection to the network yet, trying again',
    'Announced, waiting for guests'
  ])
  assert.ok(screen.lines.some(line => /^Announced: guests can join now/.test(line)))
})

test('a guest sees where it is connecting to, and by which path it is connected', () => {
  const { feet } = terminal()
  const maps = [{ proto: 'tcp', port: 80, localHost: '127.0.0.1', localPort: 80 } as const]
  assert.deepEqual(
    feet(
      { event: 'ready', mode: 'client', publicKey: KEY, maps },
      { event: 'connected', publicKey: KEY, peer: KEY, path: 'lan', host: HOST },
      { event: 'disconnected', publicKey: KEY, peer: KEY, code: 'CONNECTION_LOST', host: HOST }
    ),
    ['Connecting to EPkmaN7v..', 'Connected to EPkmaN7v.. (lan)', 'Connecting to EPkmaN7v..']
  )
})

test('the foot never wraps', () => {
  const { screen, size, feet } = terminal(20)
  feet(ready)
  assert.equal(screen.foot.length, 19)
  size.columns = 25
  feet({ event: 'connecting', publicKey: KEY, peer: PEER })
  assert.equal(screen.foot.length, 24, 'in a window that is wider now')
})

test('the foot does not wrap either with a name of wide characters', () => {
  const { screen, size, feet } = terminal(80)
  const name = '\u65e5\u672c\u8a9e\u306e\u540d\u524d'.repeat(5)
  feet(ready, { event: 'connected', ...guest, name, path: 'direct' })
  // 21 columns before the name, and 29 of its characters of 2.
  assert.equal(screen.foot, `Announced, 1 guest: "${name.slice(0, 29)}`)
  size.columns = 41
  feet({ event: 'connected', ...guest, name: '\u{1f600}'.repeat(20), path: 'lan' })
  assert.equal(screen.foot, `Announced, 1 guest: "${'\u{1f600}'.repeat(9)}`, 'and ends between characters')
})

test('the foot says that the program to share is not running', () => {
  const { feet } = terminal()
  const target = { event: 'target', publicKey: KEY, proto: 'tcp', port: 80, host: '127.0.0.1' } as const
  assert.deepEqual(feet(ready, { ...target, state: 'closed' }, { ...target, state: 'answers' }), [
    'Announced, waiting for guests',
    'Announced, waiting for guests; nothing runs on tcp 80',
    'Announced, waiting for guests'
  ])
})

test('what a reload has removed is gone from the foot, and what goes on is not', () => {
  const { feet } = terminal()
  const two = [80, 81].map(port => ({ proto: 'tcp', port, host: '127.0.0.1' }) as const)
  const local = { proto: 'udp', port: 9, localHost: '127.0.0.1', localPort: 9 } as const
  const changed = (...removed: (typeof two)[number][]): DaemonEvent => ({
    event: 'reloaded',
    added: [],
    removed: removed.map(map => ({ mode: 'server', publicKey: KEY, ...map })),
    restart: []
  })
  assert.deepEqual(
    feet(
      { ...ready, maps: two } as DaemonEvent,
      { ...ready, maps: two.slice(1) } as DaemonEvent,
      changed(two[0]!),
      { event: 'ready', mode: 'client', publicKey: PEER, maps: [local] },
      {
        event: 'reloaded',
        added: [],
        removed: [{ mode: 'client', publicKey: PEER, ...local }],
        restart: []
      },
      changed(two[1]!)
    ),
    [
      'Announced, waiting for guests',
      'Announced, waiting for guests',
      'Announced, waiting for guests',
      'Announced, waiting for guests; Connecting to DHUJWe9K..',
      'Announced, waiting for guests',
      'Connecting to the network ...'
    ]
  )
})

test('a guest on two devices is here until both have left', () => {
  const { feet } = terminal()
  const here = { event: 'connected', ...guest, name: 'Anna', path: 'direct' } as const
  const left = { event: 'disconnected', ...guest, code: 'GOODBYE' } as const
  assert.deepEqual(feet(ready, here, { ...here, path: 'lan' }, { ...here, was: 'lan' }, left, left), [
    'Announced, waiting for guests',
    'Announced, 1 guest: "Anna" (direct)',
    'Announced, 1 guest: "Anna" (lan)',
    'Announced, 1 guest: "Anna" (direct)',
    'Announced, 1 guest: "Anna" (direct)',
    'Announced, waiting for guests'
  ])
})

test('each of those who never arrive is forgotten in its time, whatever else happens', () => {
  const { screen, clock, feet } = terminal()
  feet(ready)
  const target = { event: 'target', publicKey: KEY, proto: 'tcp', port: 80, host: '127.0.0.1' } as const
  const pass = (...events: DaemonEvent[]): void => {
    feet(...events)
    clock.run(clock.now() + 10_000)
  }
  pass({ event: 'connecting', publicKey: KEY, peer: PEER })
  assert.match(screen.foot, /a guest is connecting/)
  pass({ ...target, state: 'closed' })
  assert.equal(screen.foot, 'Announced, waiting for guests; nothing runs on tcp 80')
  pass({ event: 'connecting', publicKey: KEY, peer: `${PEER}2` })
  assert.match(screen.foot, /a guest is connecting/)
})
