/** The search for an IPv6 path, both sides over a network in memory, under a virtual clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { LIMITS } from '../../../../src/limits.js'
import { mayProbe } from '../../../../src/network/ipv6/addresses.js'
import type { Pair } from '../../../../src/network/ipv6/finder.js'
import { PROBE_BYTES, ProbeSeal, senderOf } from '../../../../src/network/ipv6/probe.js'
import {
  ClientSearch,
  Ipv6History,
  type Ipv6Host,
  type Opening,
  ServerSearch,
  type ToldAddresses
} from '../../../../src/network/ipv6/search.js'
import { TokenBucket } from '../../../../src/util/token-bucket.js'
import type { Ipv6Address } from '../../../../src/wire/addresses.js'
import { VirtualClock } from '../../../sim/support/virtual-clock.js'

const CLIENT = { host: '2a00:1::1', port: 5001 }
const SERVER = { host: '2a00:2::2', port: 5002 }
const CLIENT_KEY = b4a.alloc(32, 1)
const SERVER_KEY = b4a.alloc(32, 2)

interface Packet {
  readonly at: number
  readonly from: string
  readonly to: Ipv6Address
  readonly bytes: Uint8Array
}

/** A machine behind a stateful firewall: lets in what comes from where it has sent to. */
class Machine implements Ipv6Host {
  readonly limits = LIMITS
  readonly allows = mayProbe
  readonly sent: Packet[] = []
  readonly #open = new Set<string>()
  readonly #bucket = new TokenBucket(LIMITS.ipv6PacketsPerSecond / 1000, LIMITS.ipv6PacketsPerSecond)
  search: { receive: ClientSearch['receive']; readonly name: string } | null = null

  constructor(
    readonly town: Town,
    public addresses: readonly Ipv6Address[]
  ) {}

  get clock(): VirtualClock {
    return this.town.clock
  }

  readonly admit = (): boolean => {
    if (!this.#bucket.has(1, this.clock.now())) return false
    this.#bucket.take(1)
    return true
  }

  readonly send = (local: string, to: Ipv6Address, bytes: Uint8Array): void => {
    const from = this.addresses.find(({ host }) => host === local)
    assert.ok(from, 'sent from an address of its own')
    this.sent.push({ at: this.clock.now(), from: local, to, bytes: b4a.from(bytes) })
    this.#open.add(`${local} ${to.host} ${to.port}`)
    this.town.carry(from, to, bytes)
  }

  receive(to: Ipv6Address, from: Ipv6Address, bytes: Uint8Array): void {
    if (!this.#open.has(`${to.host} ${from.host} ${from.port}`)) return
    this.deliver(to, from, bytes)
  }

  /** A packet that the firewall lets in, or that a machine has without one. */
  deliver(to: Ipv6Address, from: Ipv6Address, bytes: Uint8Array): void {
    if (this.search && senderOf(bytes) === this.search.name) this.search.receive(bytes, to.host, from)
  }
}

class Town {
  readonly clock = new VirtualClock()
  readonly machines: Machine[] = []
  delay = 10
  /** Whether IPv6 packets are dropped. */
  hole = false

  machine(addresses: readonly Ipv6Address[]): Machine {
    const machine = new Machine(this, addresses)
    this.machines.push(machine)
    return machine
  }

  carry(from: Ipv6Address, to: Ipv6Address, bytes: Uint8Array): void {
    if (this.hole) return
    this.clock.after(this.delay, () => {
      for (const machine of this.machines) {
        if (machine.addresses.some(({ host, port }) => host === to.host && port === to.port)) {
          machine.receive(to, from, bytes)
        }
      }
    })
  }
}

interface Options {
  /** Whether the session is relayed, and the round trip of its path. */
  readonly relayed?: boolean
  readonly rtt?: number
  readonly client?: readonly Ipv6Address[]
  readonly server?: readonly Ipv6Address[]
  /** What the server has told over the connection before. */
  readonly told?: ToldAddresses
}

/** A client and a server with a session between them. */
function meet({
  relayed = true,
  rtt = 60,
  client = [CLIENT],
  server = [SERVER],
  told = { last: null }
}: Options = {}) {
  const town = new Town()
  const { clock } = town
  const machines = { client: town.machine(client), server: town.machine(server) }
  const history = new Ipv6History(clock, LIMITS)
  const connected: { pair: Pair; own: number; theirs: number; at: number }[] = []
  const accepted: { pair: Pair; stream: number; over: () => void; closed: boolean }[] = []
  const prepared: Opening[] = []
  let works = true
  let searches = 0
  const clientSearch = new ClientSearch(machines.client, {
    sendKey: CLIENT_KEY,
    receiveKey: SERVER_KEY,
    tell: addresses => {
      searches++
      clock.after(rtt / 2, () => serverSearch.onAddresses(addresses))
    },
    isRelayed: () => relayed,
    measure: done => void clock.after(rtt, () => done(rtt)),
    history,
    prepare: () => {
      const end = { id: 100 + prepared.length, close() {} }
      prepared.push(end)
      return end
    },
    connect: (end, pair, stream, done) => {
      connected.push({ pair, own: end.id, theirs: stream, at: clock.now() })
      clock.after(2 * town.delay, () => done(works))
    }
  })
  const serverSearch = new ServerSearch(machines.server, {
    sendKey: SERVER_KEY,
    receiveKey: CLIENT_KEY,
    told,
    tell: addresses => void clock.after(rtt / 2, () => clientSearch.onAddresses(addresses)),
    accept: (pair, stream, over) => {
      const one = { pair, stream, over, closed: false }
      accepted.push(one)
      return { id: 200 + accepted.length, close: () => void (one.closed = true) }
    }
  })
  machines.client.search = clientSearch
  machines.server.search = serverSearch
  return {
    ...{ town, clock, machines, clientSearch, serverSearch, history, connected, accepted },
    fail: () => {
      works = false
    },
    told: () => searches,
    pass: (ms: number, done?: () => boolean): boolean => {
      const until = clock.now() + ms
      clock.at(until, () => {})
      return clock.run(until, done)
    }
  }
}

test('a relayed session finds the path through both firewalls, and connects streams that both sides know', () => {
  const { clientSearch, connected, accepted, pass, clock } = meet()
  clientSearch.start()
  assert.ok(pass(1000, () => connected.length > 0))
  assert.ok(clock.now() < 400, `${clock.now()} ms`)
  const [{ pair, own, theirs }] = connected as [(typeof connected)[0]]
  assert.deepEqual(pair.remote, SERVER)
  assert.equal(pair.local, CLIENT.host)
  assert.deepEqual([own, theirs], [100, 201])
  assert.deepEqual(
    accepted.map(({ pair, stream }) => [pair.local, pair.remote, stream]),
    [[SERVER.host, CLIENT, 100]]
  )
  pass(5000)
  assert.equal(connected.length, 1, 'once')
})

for (const [what, rtt, delay, moves] of [
  ['half', 60, 15, true],
  ['a tenth less', 60, 27, true],
  ['hardly less', 60, 28, false],
  ['more', 60, 40, false],
  ['a tenth of nothing', 2, 0.8, false]
] as const) {
  test(`a direct session ${moves ? 'moves' : 'stays'} where the round trip over IPv6 is ${what}`, () => {
    const { town, clientSearch, connected, pass } = meet({ relayed: false, rtt })
    town.delay = delay
    clientSearch.start()
    pass(10_000)
    assert.equal(connected.length, moves ? 1 : 0)
  })
}

test('a side without IPv6 sends and receives no addresses', () => {
  for (const options of [{ client: [] }, { server: [] }]) {
    const { clientSearch, machines, connected, pass } = meet(options)
    clientSearch.start()
    pass(60_000)
    assert.deepEqual([connected.length, machines.client.sent.length, machines.server.sent.length], [0, 0, 0])
  }
})

test('an address that comes later begins the search', () => {
  const { clientSearch, machines, connected, pass } = meet({ client: [] })
  clientSearch.start()
  pass(5000)
  machines.client.addresses = [CLIENT]
  clientSearch.changed()
  assert.ok(pass(1000, () => connected.length > 0))
})

test('where IPv6 leads nowhere, few packets are sent, and less and less often', () => {
  const { town, clientSearch, machines, connected, told, pass } = meet()
  town.hole = true
  clientSearch.start()
  pass(60_000)
  assert.ok(told() >= 2 && told() <= 4, `${told()} searches in the first minute`)
  const first = machines.client.sent.length
  assert.ok(first <= 4 * LIMITS.ipv6Rounds, `${first} packets`)
  pass(60 * 60_000)
  assert.ok(told() < 16, `${told()} searches in an hour`)
  assert.equal(connected.length, 0)
})

test('a server that says the same again has nothing tried again before its time', () => {
  const { town, clientSearch, serverSearch, machines, pass } = meet()
  town.hole = true
  clientSearch.start()
  pass(10_000)
  const before = machines.client.sent.length
  assert.ok(before > 0)
  for (let i = 0; i < 10; i++) {
    clientSearch.onAddresses([SERVER])
    pass(400)
  }
  assert.equal(machines.client.sent.length, before)
  // Other addresses may lead somewhere.
  clientSearch.onAddresses([{ ...SERVER, port: 5003 }])
  pass(1000)
  assert.ok(machines.client.sent.length > before)
  serverSearch.close()
})

test('a path that cannot be connected is tried again later, with other streams', () => {
  const { clientSearch, connected, accepted, fail, pass } = meet()
  fail()
  clientSearch.start()
  pass(LIMITS.ipv6RetryMs * 8)
  assert.ok(connected.length >= 2 && connected.length <= 4, `${connected.length}`)
  assert.equal(new Set(connected.map(({ own }) => own)).size, connected.length)
  assert.equal(new Set(accepted.map(({ stream }) => stream)).size, accepted.length)
})

test('a server that has moved since it told its addresses tells the new ones: nobody rests then', () => {
  const before = [{ host: '2a00:9::2', port: 5002 }]
  const { clientSearch, serverSearch, history, connected, pass } = meet({ told: { last: before } })
  history.addresses = before
  history.failed()
  clientSearch.start()
  serverSearch.start()
  assert.ok(pass(1000, () => connected.length > 0))
})

test('a server that has not moved waits for the client, which rests', () => {
  const { clientSearch, serverSearch, history, connected, pass } = meet({ told: { last: [SERVER] } })
  history.addresses = [SERVER]
  history.failed()
  clientSearch.start()
  serverSearch.start()
  assert.ok(!pass(LIMITS.ipv6RetryMs - 100, () => connected.length > 0))
  assert.ok(pass(1000, () => connected.length > 0))
})

test('connections over IPv6 that do not last make searches rare; one that does ends that', () => {
  const clock = new VirtualClock()
  const history = new Ipv6History(clock, LIMITS)
  history.lost(1000)
  assert.equal(history.waitMs, LIMITS.ipv6RetryMs)
  history.lost(1000)
  assert.equal(history.waitMs, 2 * LIMITS.ipv6RetryMs)
  for (let i = 0; i < 20; i++) history.failed()
  assert.equal(history.waitMs, LIMITS.ipv6RetryMaxMs)
  history.lost(LIMITS.ipv6SteadyMs)
  assert.equal(history.waitMs, 0)
})

test('of several pairs the one with the shortest round trip is taken', () => {
  const far = { host: '2a00:2::3', port: 5003 }
  const { town, clientSearch, connected, pass } = meet({ relayed: false, rtt: 100, server: [far, SERVER] })
  const { carry } = town
  town.carry = (from, to, bytes) => {
    town.delay = from.host === far.host || to.host === far.host ? 35 : 10
    carry.call(town, from, to, bytes)
  }
  clientSearch.start()
  pass(10_000)
  assert.deepEqual(
    connected.map(({ pair }) => pair.remote),
    [SERVER]
  )
})

// --- a hostile peer ---

const VICTIMS = [1, 2, 3, 4].map(n => ({ host: `2a00:bad::${n}`, port: 9999 }))

test('a peer that claims the addresses of others causes few small packets there, however often it does so', () => {
  const { serverSearch, machines, pass, clock } = meet()
  const end = 60_000
  while (clock.now() < end) {
    serverSearch.onAddresses(VICTIMS)
    pass(10)
  }
  const { sent } = machines.server
  assert.ok(sent.every(({ bytes }) => bytes.byteLength === PROBE_BYTES))
  // A search of four addresses every 2 s, 12 packets to each.
  const most = (end / LIMITS.ipv6RestMs + 1) * LIMITS.ipv6Rounds * VICTIMS.length
  assert.ok(sent.length <= most, `${sent.length} packets in a minute`)
  const seconds = new Map<number, number>()
  for (const { at } of sent) seconds.set(Math.floor(at / 1000), (seconds.get(Math.floor(at / 1000)) ?? 0) + 1)
  assert.ok(Math.max(...seconds.values()) <= 48)
})

test('all peers together have no more packets sent to where nobody answers than the node allows', () => {
  const { machines, clock, pass } = meet()
  const searches = Array.from({ length: 64 }, (_, i) => {
    const keys = { sendKey: b4a.alloc(32, i), receiveKey: b4a.alloc(32, 100 + i) }
    return new ServerSearch(machines.server, {
      ...keys,
      told: { last: null },
      tell: () => {},
      accept: () => assert.fail('nobody asked for it')
    })
  })
  const end = 10_000
  while (clock.now() < end) {
    for (const search of searches) search.onAddresses(VICTIMS)
    pass(100)
  }
  const most = LIMITS.ipv6PacketsPerSecond * (end / 1000 + 1)
  assert.ok(machines.server.sent.length <= most, `${machines.server.sent.length}`)
})

test('nothing is sent to addresses that are no place for a peer', () => {
  const { serverSearch, machines, pass } = meet()
  serverSearch.onAddresses([
    { host: '::1', port: 5001 },
    { host: 'ff02::1', port: 5001 },
    { host: 'fe80::1', port: 5001 },
    { host: '2a00:1::1', port: 53 }
  ])
  pass(5000)
  assert.equal(machines.server.sent.length, 0)
})

test('a packet is answered once, and only to an address that was sent', () => {
  const { serverSearch, machines, pass } = meet()
  const { server } = machines
  serverSearch.onAddresses([CLIENT])
  pass(3000)
  const before = server.sent.length
  const question = new ProbeSeal(CLIENT_KEY).seal({ number: 7, echo: 0, stream: 0 })
  server.deliver(SERVER, { host: '2a00:bad::1', port: 9999 }, question)
  server.deliver(SERVER, { ...CLIENT, port: 9999 }, question)
  server.deliver(SERVER, CLIENT, new ProbeSeal(SERVER_KEY).seal({ number: 8, echo: 0, stream: 0 }))
  assert.equal(server.sent.length, before)
  server.deliver(SERVER, CLIENT, question)
  assert.equal(server.sent.length, before + 1)
  assert.deepEqual(server.sent.at(-1)!.to, CLIENT)
  assert.equal(server.sent.at(-1)!.bytes.byteLength, question.byteLength)
  server.deliver(SERVER, CLIENT, question)
  assert.equal(server.sent.length, before + 1, 'a copy is not answered')
})

test('a flood of questions gets as many answers as a peer may have, and a stream a second', () => {
  const { serverSearch, machines, accepted, pass, clock } = meet()
  const { server } = machines
  serverSearch.onAddresses([CLIENT])
  pass(3000)
  const before = server.sent.length
  const seal = new ProbeSeal(CLIENT_KEY)
  const end = clock.now() + 10_000
  for (let number = 1; clock.now() < end; number++) {
    server.deliver(SERVER, CLIENT, seal.seal({ number, echo: 0, stream: number }))
    pass(1)
  }
  const answers = server.sent.length - before
  assert.ok(answers <= LIMITS.ipv6AnswersPerSecond * 11, `${answers} answers in 10 s`)
  assert.ok(accepted.length <= 11, `${accepted.length} streams in 10 s`)
  assert.ok(
    accepted.slice(0, -1).every(({ closed }) => closed),
    'one at a time'
  )
})

test('a search that is over answers nothing and leaves no timer', () => {
  const { clientSearch, serverSearch, machines, clock, pass } = meet()
  clientSearch.start()
  pass(100)
  clientSearch.close()
  serverSearch.close()
  const sent = machines.server.sent.length
  machines.server.deliver(
    SERVER,
    CLIENT,
    new ProbeSeal(CLIENT_KEY).seal({ number: 1000, echo: 0, stream: 5 })
  )
  assert.equal(machines.server.sent.length, sent)
  pass(100)
  assert.equal(clock.pending, 0)
})
