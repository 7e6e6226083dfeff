import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createLog } from '../../../src/log/log.js'
import { PortMapping, type PortMappingState } from '../../../src/network/port-mapping.js'
import type { MappedPort, MappingFailure, RouterEvents } from '../../../src/network/router.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const LIMITS = { portRetryMs: 60_000, portChecks: 3, portCheckMs: 2000 }
const PORT = 49737
const ROUTER: MappedPort = { protocol: 'upnp', externalAddress: '203.0.113.7', externalPort: PORT }
const NONE: MappingFailure = { kind: 'none', reason: 'nobody answers' }

/** A home with a router, in memory: what it grants, and whether others get through. */
class Home {
  readonly clock = new VirtualClock()
  readonly lines: string[] = []
  readonly states: PortMappingState['state'][] = []
  /** Conversations with the router, in their order. */
  readonly opened: { events: RouterEvents; port: number; closed: boolean }[] = []
  /** Ports that others were asked to send to. */
  readonly checked: number[] = []
  host: string | null = '203.0.113.7'
  /** Ports that lead here. */
  leads = new Set([PORT])
  /** Resolves when the router answers that it has removed a mapping. */
  removal: Promise<void> = Promise.resolve()
  readonly mapping: PortMapping = new PortMapping({
    proto: 'udp',
    port: () => PORT,
    openRouter: (port, events) => {
      const one = { events, port, closed: false }
      this.opened.push(one)
      return {
        close: async () => {
          one.closed = true
          await this.removal
        }
      }
    },
    others: {
      reach: async ({ externalPort: port }) => {
        this.checked.push(port)
        return this.leads.has(port) ? this.host : null
      },
      host: this.host
    },
    clock: this.clock,
    limits: LIMITS,
    log: createLog({ level: 'info', json: false, write: line => this.lines.push(line) }),
    onchange: ({ state }) => this.states.push(state)
  })

  /** The router's conversation that is going on. */
  get router(): RouterEvents {
    const open = this.opened.filter(({ closed }) => !closed)
    assert.equal(open.length, 1, 'one conversation with the router at a time')
    return open[0]!.events
  }

  async start(): Promise<void> {
    this.mapping.start()
    await turn()
  }

  async pass(ms: number): Promise<void> {
    await turn()
    const end = this.clock.now() + ms
    // One event at a time: what it starts may take turns of the loop.
    while (this.clock.run(end, once())) await turn()
    await turn()
  }
}

/** True the second time that it is asked. */
function once(): () => boolean {
  let asked = 0
  return () => asked++ > 0
}

async function mappedHome(): Promise<Home> {
  const home = new Home()
  await home.start()
  home.router.mapped(ROUTER)
  await turn()
  assert.equal(home.mapping.state.state, 'mapped')
  return home
}

test('a mapping counts once others have come through it', async () => {
  const home = new Home()
  assert.deepEqual(home.mapping.state, { state: 'off' })
  await home.start()
  assert.deepEqual(home.mapping.state, { state: 'searching' })
  assert.equal(home.opened[0]?.port, PORT)
  home.router.mapped(ROUTER)
  assert.deepEqual(home.mapping.state, { state: 'searching' })
  await turn()
  assert.deepEqual(home.mapping.state, { state: 'mapped', ...ROUTER })
  assert.deepEqual(home.checked, [PORT])
  assert.equal(home.lines.length, 1)
  assert.match(home.lines[0]!, /others reach this machine at 203\.0\.113\.7, UDP port 49737 \(upnp\)/)
})

test('the address is the one that others see, the port the one that the router gave', async () => {
  const home = new Home()
  home.leads = new Set([50_001])
  await home.start()
  home.router.mapped({ protocol: 'pcp', externalAddress: null, externalPort: 50_001 })
  await turn()
  assert.deepEqual(home.mapping.state, {
    state: 'mapped',
    ...ROUTER,
    protocol: 'pcp',
    externalPort: 50_001
  })
})

test('a renewal is checked and not reported', async () => {
  const home = await mappedHome()
  home.router.mapped(ROUTER)
  await turn()
  assert.deepEqual(home.checked, [PORT, PORT])
  assert.deepEqual(home.states, ['searching', 'mapped', 'mapped'])
  assert.equal(home.lines.length, 1)
})

test('nobody is sent to a port that has been replaced by another', async () => {
  const home = await mappedHome()
  home.leads = new Set([50_002])
  home.router.mapped({ ...ROUTER, externalPort: 50_002 })
  assert.equal(home.mapping.state.state, 'searching')
  await turn()
  assert.deepEqual(home.mapping.state, { state: 'mapped', ...ROUTER, externalPort: 50_002 })
})

test('a mapping through which nothing comes is of no use, and says what is in between', async () => {
  const home = new Home()
  home.leads.clear()
  await home.start()
  home.router.mapped({ ...ROUTER, externalAddress: '192.168.178.2' })
  await home.pass(LIMITS.portCheckMs * LIMITS.portChecks)
  assert.equal(home.checked.length, LIMITS.portChecks)
  assert.deepEqual(home.mapping.state, {
    state: 'useless',
    protocol: 'upnp',
    externalPort: PORT,
    routerAddress: '192.168.178.2',
    seenAddress: '203.0.113.7'
  })
  assert.equal(home.lines.length, 1)
  assert.match(home.lines[0]!, /its own address is 192\.168\.178\.2, others see 203\.0\.113\.7/)
  // Perhaps it is of use after the next renewal.
  home.leads.add(PORT)
  home.router.mapped(ROUTER)
  await turn()
  assert.equal(home.mapping.state.state, 'mapped')
})

test('a packet that is lost on the way is no verdict', async () => {
  const home = new Home()
  home.leads.clear()
  await home.start()
  home.router.mapped(ROUTER)
  await turn()
  home.leads.add(PORT)
  await home.pass(LIMITS.portCheckMs)
  assert.equal(home.mapping.state.state, 'mapped')
})

test('our address changes: the mapping is looked at again', async () => {
  const home = await mappedHome()
  home.host = '203.0.113.99'
  home.mapping.recheck()
  await turn()
  const { state } = home.mapping
  assert.ok(state.state === 'mapped' && state.externalAddress === '203.0.113.99')
})

test('a look at the mapping is not cut short by the next one', async () => {
  const home = await mappedHome()
  home.leads.clear()
  for (let i = 0; i < 2 * (LIMITS.portChecks - 1); i++) {
    home.mapping.recheck()
    await home.pass(LIMITS.portCheckMs / 2)
  }
  assert.equal(home.checked.length, 1 + LIMITS.portChecks)
  assert.equal(home.mapping.state.state, 'useless')
})

test('without a router that maps ports this is reported once and tried again later', async () => {
  const home = new Home()
  await home.start()
  home.router.failed(NONE)
  assert.deepEqual(home.mapping.state, { state: 'none', reason: 'nobody answers' })
  for (let i = 2; i < 5; i++) {
    await home.pass(LIMITS.portRetryMs)
    assert.equal(home.opened.length, i)
    home.router.failed(NONE)
  }
  assert.equal(home.lines.length, 1)
  await home.pass(LIMITS.portRetryMs)
  home.router.mapped(ROUTER)
  await turn()
  assert.equal(home.mapping.state.state, 'mapped')
})

test('a refusal says why, and is tried again later', async () => {
  const home = new Home()
  await home.start()
  const reason = 'NOT\u001b[2JAUTHORIZED'
  home.router.failed({ kind: 'refused', reason })
  assert.deepEqual(home.mapping.state, { state: 'refused', reason })
  assert.match(home.lines[0]!, /the router refuses it {2}reason="NOT\\u001b\[2JAUTHORIZED"/)
  await home.pass(LIMITS.portRetryMs)
  assert.equal(home.opened.length, 2)
})

test('a mapping that is lost is requested again at once', async () => {
  const home = await mappedHome()
  home.router.failed({ kind: 'lost', reason: 'timed out' })
  assert.equal(home.mapping.state.state, 'searching')
  await home.pass(LIMITS.portCheckMs)
  home.router.mapped(ROUTER)
  await turn()
  assert.equal(home.mapping.state.state, 'mapped')
})

test('on another network the router there is asked', async () => {
  const home = await mappedHome()
  home.mapping.restart()
  assert.equal(home.mapping.state.state, 'searching')
  await turn()
  assert.equal(home.opened.length, 2)
  home.router.mapped(ROUTER)
  await turn()
  assert.equal(home.mapping.state.state, 'mapped')
})

test('closing removes the mapping, and nothing comes after it', async () => {
  for (const when of ['searching', 'checking', 'mapped', 'none']) {
    const home = new Home()
    await home.start()
    const { router } = home
    if (when === 'none') router.failed(NONE)
    else if (when !== 'searching') router.mapped(ROUTER)
    if (when === 'mapped') await turn()
    await home.mapping.close()
    assert.equal(home.opened[0]?.closed, true, when)
    router.mapped(ROUTER)
    await home.pass(LIMITS.portRetryMs)
    assert.deepEqual(home.mapping.state, { state: 'off' }, when)
    assert.equal(home.opened.length, 1, when)
  }
})

test('a router is asked again only when it has removed what it was asked for before', async () => {
  const home = await mappedHome()
  let removed = (): void => {}
  home.removal = new Promise(resolve => {
    removed = resolve
  })
  void home.mapping.close()
  home.mapping.start()
  await turn()
  assert.equal(home.opened.length, 1)
  removed()
  await turn()
  assert.equal(home.opened.length, 2)
})

test('a search that has not begun can be called off', async () => {
  const home = new Home()
  home.mapping.start()
  await home.mapping.close()
  await turn()
  assert.equal(home.opened.length, 0)
})

test('a machine with no router in between needs none, and does not speak of it', async () => {
  const home = new Home()
  home.mapping.skip()
  assert.deepEqual(home.mapping.state, { state: 'unneeded' })
  home.mapping.restart()
  await turn()
  assert.equal(home.opened.length, 0)
  assert.deepEqual(home.lines, [])
})
