/**
 * A port mapping of this process: a UDP port of the home router that leads to the DHT node's own, so that clients reach servers
 * here directly, whatever the NATs on both sides are like; or a TCP port that leads to the relay of a server that is its own.
 *
 *             start              mapped              others reach it
 *     off ------------> searching ------> (checked) ------------------> mapped
 *      ^                  |   ^              |                            |
 *      | close            |   | later        | they do not                | lost, moved
 *      |           failed |   | or restart   v                            v
 *     any state           v   |           useless                     searching
 *                     none, refused
 *
 * A router's answer is not enough: behind a second NAT its mapping leads nowhere, and clients that are sent there fare worse than
 * without it. So other nodes are asked to send to a UDP port first.
 */

import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Clock, Timer } from '../util/clock.js'
import type { MappedPort, MappingFailure, MappingProtocol, OpenRouter, Router, Wanted } from './router.js'

/** The state of the port mapping. */
export type PortMappingState =
  /** Not wanted: there is no server, or `portMapping` is false. */
  | { readonly state: 'off' }
  /** No router is between this machine and others. */
  | { readonly state: 'unneeded' }
  | { readonly state: 'searching' }
  /** No router here answers that it maps ports. */
  | { readonly state: 'none'; readonly reason: string }
  | { readonly state: 'refused'; readonly reason: string }
  /** The router maps the port, but nothing arrives there: another NAT or firewall is in front of the router. */
  | {
      readonly state: 'useless'
      readonly protocol: MappingProtocol
      readonly externalPort: number
      /** What the router takes for its own address, and what others see; null where it is not known. */
      readonly routerAddress: string | null
      readonly seenAddress: string | null
    }
  | {
      readonly state: 'mapped'
      readonly protocol: MappingProtocol
      /** Where others reach this machine, as they see it. */
      readonly externalAddress: string
      readonly externalPort: number
    }

/** Other nodes: those of the network, or a test's twin of them. */
export interface Others {
  /**
   * Asks some to send to a port of the router, if it is one of UDP.
   * @returns the address under which it worked; null when nothing came
   */
  reach(port: MappedPort): Promise<string | null>
  /** Our address as they see it; null while they do not agree. */
  readonly host: string | null
}

export interface PortMappingDeps {
  readonly proto: Wanted['proto']
  /** The port of this machine, known when the mapping is asked for. */
  readonly port: () => number
  readonly openRouter: OpenRouter
  readonly others: Others
  readonly clock: Clock
  readonly limits: Pick<Limits, 'portRetryMs' | 'portChecks' | 'portCheckMs'>
  readonly log: Log
  /** Called with every new state. */
  readonly onchange: (state: PortMappingState) => void
}

export class PortMapping {
  readonly #deps: PortMappingDeps
  #state: PortMappingState = { state: 'off' }
  #router: Router | null = null
  /** The router's last answer. */
  #mapped: MappedPort | null = null
  #releasing: Promise<void> = Promise.resolve()
  #timer: Timer | null = null
  /** Changes whenever what a check finds would be out of date. */
  #round = 0
  #checking = false
  #told: string | null = null

  constructor(deps: PortMappingDeps) {
    this.#deps = deps
  }

  get state(): PortMappingState {
    return this.#state
  }

  /** Gets a mapping, and keeps it until {@link close}. */
  start(): void {
    if (this.#router || this.#timer) return
    this.#search()
  }

  /** No mapping is needed. */
  skip(): void {
    if (this.#state.state === 'off') this.#become({ state: 'unneeded' })
  }

  /** The network has changed: asks the router that is there now. */
  restart(): void {
    if (this.#router || this.#timer) this.#search()
  }

  /** Checks whether the mapping still leads here, and under which address, unless a check is in progress. */
  recheck(): void {
    if (this.#mapped && !this.#checking) this.#onMapped(this.#mapped)
  }

  /** Removes the mapping, in bounded time. */
  async close(): Promise<void> {
    this.#release()
    this.#become({ state: 'off' })
    await this.#releasing
  }

  #search(): void {
    this.#release()
    this.#become({ state: 'searching' })
    const round = this.#round
    // Two clients of the router at once would remove each other's mapping.
    void this.#releasing.then(() => {
      if (round !== this.#round) return
      const router = this.#deps.openRouter(this.#deps.port(), {
        mapped: port => router === this.#router && this.#onMapped(port),
        failed: failure => router === this.#router && this.#onFailed(failure)
      })
      this.#router = router
    })
    this.#router = WAITING
  }

  #release(): void {
    this.#round++
    this.#timer?.cancel()
    this.#timer = null
    const router = this.#router
    this.#router = null
    this.#mapped = null
    this.#checking = false
    if (router) this.#releasing = Promise.all([this.#releasing, router.close()]).then(noop)
  }

  #onMapped(port: MappedPort): void {
    const now = this.#state
    this.#mapped = port
    // The port that clients are sent to no longer exists.
    if (now.state === 'mapped' && now.externalPort !== port.externalPort) this.#become({ state: 'searching' })
    this.#checking = true
    void this.#check(port, ++this.#round, this.#deps.limits.portChecks)
  }

  async #check(port: MappedPort, round: number, times: number): Promise<void> {
    const { others, clock, limits, log } = this.#deps
    const { protocol, externalAddress: routerAddress, externalPort } = port
    const externalAddress = await others.reach(port).catch(err => {
      log.debug({ err }, 'nobody could be asked to send to the mapped port')
      return null
    })
    if (round !== this.#round) return
    this.#checking = externalAddress === null && times > 1
    if (externalAddress !== null) {
      this.#become({ state: 'mapped', protocol, externalAddress, externalPort })
    } else if (this.#checking) {
      this.#timer?.cancel()
      this.#timer = clock.after(limits.portCheckMs, () => this.#check(port, round, times - 1))
    } else {
      this.#become({ state: 'useless', protocol, externalPort, routerAddress, seenAddress: others.host })
    }
  }

  #onFailed({ kind, reason }: MappingFailure): void {
    this.#deps.log.debug({ kind, reason }, 'no port mapping')
    const { clock, limits } = this.#deps
    this.#release()
    // A router that has been restarted knows nothing of what was mapped.
    const lost = kind === 'lost'
    this.#become(lost ? { state: 'searching' } : { state: kind, reason })
    this.#timer = clock.after(lost ? limits.portCheckMs : limits.portRetryMs, () => this.#search())
  }

  /** The one place where the state changes. Logs each change in one line. */
  #become(next: PortMappingState): void {
    this.#state = next
    this.#deps.onchange(next)
    const line = lineOf(next, this.#deps.proto)
    // A state that returns every quarter of an hour is logged once.
    if (line === null || line === this.#told) return
    this.#told = line
    const { log, proto } = this.#deps
    // A TCP port was asked for, and tickets name it.
    const level = proto === 'tcp' && next.state !== 'mapped' ? 'warn' : 'info'
    if (next.state === 'unneeded') log.debug(line)
    // The router's own words are a value, which the log makes harmless.
    else log[level](next.state === 'refused' ? { reason: next.reason } : {}, line)
  }
}

/** Stands for the router that will be opened when the last one has been closed. */
const WAITING: Router = { close: () => Promise.resolve() }

/** The log line of a state, if any. */
function lineOf(state: PortMappingState, proto: Wanted['proto']): string | null {
  const port = `${proto.toUpperCase()} port`
  const mapping = proto === 'udp' ? 'port mapping' : `${port} mapping`
  const advice = proto === 'udp' ? '' : '; forward the port in its settings'
  switch (state.state) {
    case 'mapped':
      return `${mapping}: others reach this machine at ${state.externalAddress}, ${port} ${state.externalPort} (${state.protocol})`
    case 'useless':
      return `${mapping}: the router maps ${port} ${state.externalPort} (${state.protocol}), but nothing comes in there: ${obstacle(state)}`
    case 'none':
      return `${mapping}: no router here offers it (UPnP or NAT-PMP, in its settings)${advice}`
    case 'refused':
      return `${mapping}: the router refuses it${advice}`
    case 'unneeded':
      return `${mapping}: not needed, there is no router in between`
    case 'off':
    case 'searching':
      return null
  }
}

function obstacle({ routerAddress, seenAddress }: Extract<PortMappingState, { state: 'useless' }>): string {
  if (routerAddress === null || seenAddress === null || routerAddress === seenAddress) {
    return 'a firewall or another router stands in its way'
  }
  return `its own address is ${routerAddress}, others see ${seenAddress}, so another router or the provider's NAT is in between`
}

function noop(): void {}
