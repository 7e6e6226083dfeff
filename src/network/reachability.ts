/**
 * How others reach this machine: without being asked to, through a port mapping on the router, or not at all; and the NAT in between.
 * Servers ask for a mapping of the UDP port while there are any, and for one of the TCP port if the options say so.
 */
import type { DoctorLimits, Limits } from '../limits.js'
import { type Log, silentLog } from '../log/log.js'
import type { TcpOptions } from '../options/entry.js'
import { systemClock } from '../util/clock.js'
import { ownAddresses } from './addresses.js'
import type { Dht } from './dht.js'
import type { NatKind } from './nat.js'
import { isHomeAddress, pathOf } from './path.js'
import { type Others, PortMapping, type PortMappingDeps, type PortMappingState } from './port-mapping.js'
import { routerOpener, type Wanted } from './router.js'
import { within } from './within.js'

/** Any port of the router may lead to the DHT node's port. */
const UDP: Wanted = { proto: 'udp' }

/** The address of a mapping that is not up. */
const NOWHERE = { externalAddress: null, externalPort: 0 }

export class Reachability {
  readonly #dht: Dht
  readonly #limits: Limits
  readonly #log: Log
  #open: Promise<boolean>
  #isKnown = false
  /** Null when the router is to be left alone. */
  readonly #mapping: PortMapping | null
  /** Null unless the options say so. */
  readonly #tcpMapping: PortMapping | null
  /** A mapping that is only tried out. */
  #trial: PortMapping | null = null
  #servers = 0

  /**
   * @param mapsPort whether to ask the router for a UDP port
   * @param tcp where this process is reached by TCP
   */
  constructor(dht: Dht, mapsPort: boolean, limits: Limits, log: Log, tcp?: TcpOptions) {
    this.#dht = dht
    this.#limits = limits
    this.#log = log
    this.#open = this.#learn(dht.findReach())
    this.#mapping = mapsPort ? this.#mapsUdp() : null
    this.#tcpMapping = tcp?.portMapping ? this.#mapsTcp(tcp) : null
  }

  /** Resolves once it is known whether others reach this machine without being asked to; another promise after {@link relearn}. */
  get open(): Promise<boolean> {
    return this.#open
  }

  /** Whether {@link open} has resolved. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Our address has changed. @returns whether others reach this machine at the new one */
  relearn(): Promise<boolean> {
    this.#open = this.#learn(this.#dht.relearn().catch(() => false))
    return this.#open
  }

  #learn(open: Promise<boolean>): Promise<boolean> {
    this.#isKnown = false
    void open.then(() => {
      if (this.#open === open) this.#isKnown = true
    })
    return open
  }

  /** The NAT in front of this machine, as far as it shows without asking. */
  get nat(): NatKind {
    const { host, firewalled, randomized } = this.#dht
    if (!firewalled) return 'open'
    if (host === null) return 'unknown'
    if (ownAddresses().includes(host)) return isHomeAddress(host) ? 'unknown' : 'firewall'
    return randomized ? 'symmetric' : 'cone'
  }

  get portMapping(): PortMappingState {
    return this.#mapping?.state ?? { state: 'off' }
  }

  get tcpPortMapping(): PortMappingState {
    return this.#tcpMapping?.state ?? { state: 'off' }
  }

  /** A server has been announced. */
  addServer(): void {
    if (this.#servers++ > 0) return
    if (this.#mapping) this.#mapPort(this.#mapping)
    if (this.#tcpMapping) this.#mapPort(this.#tcpMapping)
  }

  /** A server has ended; the last one ends the mappings. */
  removeServer(): void {
    if (--this.#servers > 0) return
    void this.#mapping?.close()
    void this.#tcpMapping?.close()
  }

  #mapsUdp(): PortMapping {
    const dht = this.#dht
    const mapping = this.#createMapping(UDP, {
      port: () => dht.ownPort,
      others: asked(dht),
      onchange(state) {
        const { externalAddress: host, externalPort: port } = state.state === 'mapped' ? state : NOWHERE
        dht.mapped = host === null ? null : { host, port }
      }
    })
    dht.on('missed', () => mapping.recheck())
    return mapping
  }

  #mapsTcp({ port, address }: TcpOptions): PortMapping {
    // Tickets contain the port of the address.
    const where = address === undefined ? {} : { externalPort: portOf(address) }
    return this.#createMapping(
      { proto: 'tcp', ...where },
      { port: () => port, others: observing(this.#dht), onchange: noop }
    )
  }

  #createMapping(wanted: Wanted, of: Pick<PortMappingDeps, 'port' | 'others' | 'onchange'>): PortMapping {
    const dht = this.#dht
    const mapping = new PortMapping({
      ...of,
      proto: wanted.proto,
      openRouter: routerOpener(wanted, this.#limits, this.#log),
      clock: systemClock,
      limits: this.#limits,
      log: this.#log
    })
    let online = true
    dht.on('network-change', () => mapping.restart())
    dht.on('network-update', () => {
      // A router that was away may have been restarted, and has forgotten its mappings then.
      if (dht.online && !online) mapping.restart()
      online = dht.online
    })
    dht.on('nat-update', (host: string | null) => {
      if (host === null) return
      // There may be a router in between now.
      if (mapping.state.state === 'unneeded') this.#mapPort(mapping)
      else mapping.recheck()
    })
    return mapping
  }

  /** Gets the port of this node mapped if there is a server, and a router between us and others. */
  #mapPort(mapping: PortMapping): void {
    const start = (host: string): void => {
      if (this.#servers === 0) return
      if (this.#isOwn(host)) mapping.skip()
      else mapping.start()
    }
    this.#dht.seen().then(start, err => this.#log.debug({ err }, 'no port mapping: our address is not known'))
  }

  /** Whether others who see us at this address see us as we are, without a router in between. */
  #isOwn(host: string): boolean {
    return pathOf(host) === 'lan' || ownAddresses().includes(host)
  }

  /**
   * Asks the router for a port as servers do, finds out whether others reach it, and gives it back. Takes up to 20 s where the router
   * answers nothing, or something wrong.
   * @returns how it went; `off` when the router is to be left alone, or when there is nobody who could try the port
   */
  async tryPortMapping(limits: DoctorLimits): Promise<PortMappingState> {
    if (!this.#mapping || this.#trial) return { state: 'off' }
    // A server here has one.
    if (this.#servers > 0) return this.#mapping.state
    // With a port mapped others would seem to reach us without being asked to.
    await within(this.#open, limits.bootstrapMs)
    if (this.#dht.destroyed || this.#dht.nodeCount === 0) return { state: 'off' }
    const { host } = this.#dht
    if (host !== null && this.#isOwn(host)) return { state: 'unneeded' }
    let found = (_: PortMappingState): void => {}
    const end = new Promise<PortMappingState>(resolve => {
      found = resolve
    })
    const trial = new PortMapping({
      proto: UDP.proto,
      openRouter: routerOpener(UDP, this.#limits, this.#log),
      port: () => this.#dht.ownPort,
      others: asked(this.#dht),
      clock: systemClock,
      limits: { ...this.#limits, portChecks: limits.portChecks, portCheckMs: limits.portCheckMs },
      log: silentLog,
      // It is off when the node was closed meanwhile.
      onchange: state => {
        if (state.state !== 'searching') found(state)
      }
    })
    this.#trial = trial
    trial.start()
    await within(end, limits.portMappingMs)
    found({ state: 'none', reason: 'The router does not answer in time.' })
    const state = await end
    await trial.close()
    this.#trial = null
    return state
  }

  /** Gives the mapped ports back. */
  async close(): Promise<void> {
    await Promise.all([this.#mapping?.close(), this.#tcpMapping?.close(), this.#trial?.close()])
  }
}

/** The nodes of the DHT, asked to send to a UDP port. */
function asked(dht: Dht): Others {
  return {
    reach: ({ externalPort }) => dht.reach(externalPort),
    get host() {
      return dht.host
    }
  }
}

/** The same nodes, which cannot be asked to connect to a TCP port: the router's address shows whether it is the last router before them. */
function observing(dht: Dht): Others {
  return {
    async reach({ externalAddress }) {
      const { host } = this
      if (externalAddress === null || externalAddress === host) return host
      return host === null && !isHomeAddress(externalAddress) ? externalAddress : null
    },
    get host() {
      // While packets go through a relay by TCP, its address is what they see.
      return dht.host === null || dht.isOutside(dht.host) ? null : dht.host
    }
  }
}

/** The TCP port of a relay's address. */
function portOf(address: string): number {
  const { port, protocol } = new URL(address)
  return port === '' ? (protocol === 'wss:' ? 443 : 80) : Number(port)
}

function noop(): void {}
