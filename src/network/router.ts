/**
 * The router of this home, as far as it maps ports: port-mapper (UPnP-IGD, NAT-PMP, PCP) behind a small interface. It finds the
 * router by the routing table or by asking the LAN; nothing of it needs the internet.
 */
import net from 'node:net'
import type { Mapper, MapperOptions, Mapping } from 'port-mapper'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import { within } from './within.js'

export type MappingProtocol = 'upnp' | 'nat-pmp' | 'pcp'

/** What the router is asked for. */
export interface Wanted {
  readonly proto: 'udp' | 'tcp'
  /** The port of the router to ask for; left out: any. */
  readonly externalPort?: number
}

/** A port of the router that leads to one of ours. */
export interface MappedPort {
  readonly protocol: MappingProtocol
  /** What the router takes for its own address; null where it does not say. */
  readonly externalAddress: string | null
  /** Not always the one that was asked for. */
  readonly externalPort: number
}

/**
 * Why there is no mapping; nothing more is tried.
 *
 * - none: no router in the LAN answers that it maps ports
 * - refused: the router does, but not this one
 * - lost: there was a mapping, and it could not be renewed
 */
export interface MappingFailure {
  readonly kind: 'none' | 'refused' | 'lost'
  readonly reason: string
}

export interface RouterEvents {
  /** There is a mapping: the first time, and whenever it has been renewed or has changed. */
  mapped(port: MappedPort): void
  /** There is none, and nothing more is tried. */
  failed(failure: MappingFailure): void
}

export interface Router {
  /** Removes the mapping. Resolves in bounded time, whether the router answers or not; no more events follow. */
  close(): Promise<void>
}

/** Asks the router for a port that leads to ours, and keeps it until it is closed. */
export type OpenRouter = (port: number, events: RouterEvents) => Router

type RouterLimits = Pick<
  Limits,
  'portLeaseSeconds' | 'portSearchMs' | 'portRequests' | 'portRequestMs' | 'portReleaseMs'
>

const PROTOCOLS = { upnp: 'upnp', natpmp: 'nat-pmp', pcp: 'pcp' } as const
type Via = keyof typeof PROTOCOLS

/** What the router shows its owner in the list of mappings. */
const DESCRIPTION = 'hyper-nat'

/** What the library tells, for the debug log. */
const TOLD = ['warning', 'degraded', 'conflict', 'gateway-reboot', 'error']

export function routerOpener(wanted: Wanted, limits: RouterLimits, log: Log): OpenRouter {
  return (port, events) => new HomeRouter(wanted, port, events, limits, log)
}

class HomeRouter implements Router {
  readonly #wanted: Wanted
  readonly #port: number
  readonly #events: RouterEvents
  readonly #limits: RouterLimits
  readonly #log: Log
  #mapper: Mapper | null = null
  /** The router has been asked for a mapping and has not answered yet. */
  #asked: Promise<void> = Promise.resolve()
  #closed = false

  constructor(wanted: Wanted, port: number, events: RouterEvents, limits: RouterLimits, log: Log) {
    this.#wanted = wanted
    this.#port = port
    this.#events = events
    this.#limits = limits
    this.#log = log
    this.#tryProtocols(['pcp', 'natpmp', 'upnp'])
  }

  /** @param refusal why the router refused by another protocol */
  #tryProtocols(protocols: Via[], refusal?: string): void {
    this.#search(protocols, refusal).catch(err => this.#fail('none', reasonOf(err)))
  }

  async #search(protocols: Via[], refusal?: string): Promise<void> {
    // Most processes never need it. No event comes before this, so that the caller has its router by then.
    const [{ createMapper }, { routerHttp }] = await Promise.all([
      import('port-mapper'),
      import('./router-http.js')
    ])
    if (this.#closed) return
    let mapper: Mapper
    try {
      const http = routerHttp(() => mapper.getConfig().gateway, this.#limits.portRequestMs)
      mapper = createMapper({ ...this.#options(protocols), http })
    } catch (err) {
      // No network at all.
      return this.#fail('none', reasonOf(err))
    }
    this.#mapper = mapper
    const on = mapper.on as (event: string, listener: (...args: never[]) => void) => void
    for (const event of TOLD) {
      on(event, (what: unknown) => this.#log.debug({ event, what }, 'of the port mapping'))
    }
    on('renewed', (mapping: Mapping) => this.#tell(mapping))
    on('lost', (_mapping: Mapping, reason: string) => this.#fail('lost', reason))
    mapper.start(err => {
      if (this.#closed) return
      if (!err) this.#map(mapper, protocols)
      else if (refusal) this.#fail('refused', refusal)
      else this.#fail('none', reasonOf(err))
    })
  }

  #options(protocols: Via[]): MapperOptions & { closeTimeout: number } {
    const { portLeaseSeconds, portSearchMs, portRequests, portReleaseMs } = this.#limits
    return {
      protocols,
      lifetime: portLeaseSeconds,
      description: DESCRIPTION,
      negotiateTimeout: portSearchMs,
      retransmitAttempts: portRequests,
      closeTimeout: portReleaseMs,
      // The port is ours, and bound.
      checkLocalPort: false,
      // Signals are for main to handle.
      cleanupOnExit: false
    }
  }

  #map(mapper: Mapper, protocols: Via[]): void {
    let answered = (): void => {}
    this.#asked = new Promise(resolve => {
      answered = resolve
    })
    const { proto, externalPort } = this.#wanted
    const where = externalPort === undefined ? {} : { externalPort, exact: true }
    mapper.map({ internalPort: this.#port, protocol: proto, ...where }, (err, mapping) => {
      answered()
      if (this.#closed) return
      if (!err && mapping && mapping.externalPort > 0) return this.#tell(mapping)
      const via = mapper.getProtocol()
      this.#log.debug({ via, err }, 'port mapping refused')
      mapper.stop()
      // A router may refuse by one protocol and grant by another: PCP refuses a process that was killed and started again.
      const others = protocols.filter(other => other !== via)
      if (others.length === 0 || via === null) return this.#fail('refused', reasonOf(err))
      this.#tryProtocols(others, reasonOf(err))
    })
  }

  #tell({ via, externalIp, externalPort }: Mapping): void {
    if (this.#closed || via === 'upnp-pinhole') return
    const externalAddress = externalIp !== null && net.isIPv4(externalIp) ? externalIp : null
    this.#events.mapped({ protocol: PROTOCOLS[via], externalAddress, externalPort })
  }

  #fail(kind: MappingFailure['kind'], reason: string): void {
    if (!this.#closed) this.#events.failed({ kind, reason })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // A mapping is removed once it is known.
    await within(this.#asked, this.#limits.portReleaseMs)
    const mapper = this.#mapper
    if (mapper) await new Promise<void>(resolve => mapper.close(() => resolve()))
  }
}

function reasonOf(err: unknown): string {
  return err instanceof Error ? err.message : 'no reason given'
}
