/**
 * Speaks to the targets of a server's port maps on behalf of its guests: dials them, from the guest's own address or with a header
 * that tells it where they want that, and joins them to the guest's flows.
 */
import type net from 'node:net'
import type { Players } from '../access/players.js'
import { codeOf, type ErrorCode } from '../errors.js'
import type { DaemonEvent, ServerMapInfo } from '../events.js'
import type { ByteFlow, Carrier } from '../flows/byte-flow.js'
import { playerAddress } from '../identity/player-address.js'
import { type Limits, REFUSED_REST_MS } from '../limits.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import { DatagramFlow, type FlowRemote, FlowStream, flowError } from '../sockets/flow-stream.js'
import { HostResolver, type LookUp } from '../sockets/host-resolver.js'
import { elsewhereText, otherAddress } from '../sockets/other-address.js'
import { proxyHeader } from '../sockets/proxy-header.js'
import { isAddressMissing, isLocalAddress } from '../sockets/source-address.js'
import { dialTcp, joinTcp, reset, saysClosed, targetCode } from '../sockets/tcp.js'
import { UdpTarget } from '../sockets/udp-target.js'
import { hostPort, isIPv4Loopback } from '../text/address.js'
import { quoteName } from '../text/quote.js'
import { isSocketPath } from '../text/socket-path.js'
import type { Clock } from '../util/clock.js'
import { ANNOUNCEMENTS } from '../wire/constants.js'
import type { Guest, UdpConversation } from './guest.js'
import type { SharedMap, SharedMaps } from './shared-maps.js'

/** Why a target is not reached, and what to do, for the owner's log. */
const UNREACHED: Record<ReturnType<typeof targetCode>, string> = {
  TARGET_REFUSED:
    'the shared port is closed: is the program running, and is this its port? Share the port that it listens on',
  TARGET_TIMEOUT:
    'nothing answers at the shared port: is that computer on, and does its firewall let this one through?',
  TARGET_UNREACHABLE:
    'the shared port cannot be reached: is the host right, and is this computer on its network?'
}

/** The same of a socket with a path. */
const UNREACHED_SOCKET: typeof UNREACHED = {
  TARGET_REFUSED: 'nothing listens on the shared socket: is the program running, and is this its path?',
  TARGET_TIMEOUT: 'the program does not take connections on the shared socket: restart it',
  TARGET_UNREACHABLE: 'the shared socket cannot be opened: may this user write to it?'
}

/** Why a host name has no address, by the system's error code. */
const UNRESOLVED: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no computer of that name: check it, or use the IP address',
  EAI_AGAIN:
    'the name of that computer cannot be looked up, as no DNS server answers: check the network of this computer, or use the IP address'
}

/** The system's limits for open files, which connections count as. */
const NO_FILES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE'])

export interface TargetsDeps {
  readonly maps: SharedMaps
  /** The addresses of this node's guests. */
  readonly players: Players
  readonly clock: Clock
  readonly limits: Pick<Limits, 'targetMs' | 'targetSilentMs' | 'resolveMs'>
  readonly log: Log
  readonly publicKey: string
  readonly emit: (event: DaemonEvent) => void
  /** Looks up the names of hosts; an argument for tests. */
  readonly lookUp?: LookUp
  /** Checks whether there is a route to an address; an argument for tests. */
  readonly routeError?: (address: string) => Promise<Error | null>
  /** Called with what a guest's flow shows about a target. */
  readonly onreach: (map: SharedMap, state: 'answers' | 'closed') => void
}

export class Targets {
  readonly #deps: TargetsDeps
  readonly #unreached: LogThrottle
  /** By host, of the maps that are shared. */
  #resolvers = new Map<string, HostResolver>()

  constructor(deps: TargetsDeps) {
    this.#deps = deps
    this.#unreached = new LogThrottle(deps.clock, REFUSED_REST_MS)
  }

  /** Finds out whether the system has the addresses of guests, if any map needs them. */
  async checkAddresses(): Promise<void> {
    if (this.#deps.maps.have('playerAddresses') && !(await isLocalAddress(playerAddress(0))))
      this.#disableAddresses()
  }

  /**
   * Looks up the names of hosts that have not been needed yet, and checks for a route to them, so that the owner learns of a wrong one
   * before a guest does.
   */
  async checkHosts(): Promise<void> {
    const looks: Promise<void>[] = []
    for (const map of this.#deps.maps.list) {
      if (map.handler || isSocketPath(map.host) || this.#resolvers.has(map.host)) continue
      looks.push(this.#checkHost(map))
    }
    await Promise.all(looks)
  }

  async #checkHost(map: SharedMap): Promise<void> {
    const { emit, publicKey } = this.#deps
    const resolver = this.#resolverOf(map)
    const warn = (code: string, message: string, maps?: ServerMapInfo[]): void =>
      emit({ event: 'warning', code, message, publicKey, ...(maps && { maps }) })
    try {
      const addresses = await resolver.addresses()
      const unrouted = await resolver.unrouted()
      for (const address of unrouted.keys()) resolver.failed(address)
      if (!addresses.every(address => unrouted.has(address)) || this.#resolvers.get(map.host) !== resolver)
        return
      const maps = this.#deps.maps.list.filter(({ host }) => host === map.host)
      warn(
        'TARGET_UNREACHABLE',
        `This computer has no route to ${quoteName(map.host)}, to which port ${map.port} leads: check the address, and whether that computer is on.`,
        maps.map(({ proto, port, host }) => ({ proto, port, host }))
      )
    } catch (err) {
      // Where the resolver itself does not answer, it may when a guest comes.
      if (codeOf(err) !== 'ENOTFOUND') return
      warn(
        'TARGET_UNKNOWN',
        `There is no computer named ${quoteName(map.host)}, to which port ${map.port} leads: check the name, or use the computer's IP address.`
      )
    }
  }

  /** The maps have changed: what is known of hosts that no map leads to any more is forgotten. */
  mapsChanged(): void {
    const hosts = new Set(this.#deps.maps.list.map(({ host }) => host))
    this.#resolvers = new Map([...this.#resolvers].filter(([host]) => hosts.has(host)))
  }

  #resolverOf({ host }: SharedMap): HostResolver {
    let resolver = this.#resolvers.get(host)
    if (!resolver) {
      const { limits, lookUp, routeError } = this.#deps
      resolver = new HostResolver(host, limits, lookUp, routeError)
      this.#resolvers.set(host, resolver)
    }
    return resolver
  }

  /** The address of a guest as targets see it, or in the PROXY header; null where they see the machine's own. */
  shownAddress({ address }: Guest): string | null {
    const { maps, players } = this.#deps
    const isSeen = maps.have('playerAddresses') && players.usable
    return isSeen || maps.have('proxyProtocol') ? address : null
  }

  /**
   * Dials the target of a flow that a guest has opened.
   * @returns why not: the guest may not use such a map
   */
  connect(guest: Guest, flow: ByteFlow, carrier: Carrier): ErrorCode | null {
    const { clock, limits, maps } = this.#deps
    const map = maps.connect(flow.map, carrier, guest.grant)
    if (!map) return 'MAP_NOT_SHARED'
    if (map.handler) return this.#handle(guest, map, flow)
    let socket: net.Socket | null = null
    const usage = guest.usage.openSocket(() => {
      flow.reset('TOO_MANY_FLOWS')
      if (socket) reset(socket)
    })
    if (!usage) return 'TOO_MANY_FLOWS'
    const target = dialTcp(map.host, map.port, {
      from: this.#sourceOf(map, guest),
      resolver: this.#resolverOf(map),
      alloc: guest.usage.resources.alloc,
      room: () => guest.usage.kept.free
    })
    socket = target
    target.once('close', () => usage.close())
    let reached = false
    target.once('connect', () => {
      reached = true
      this.#deps.onreach(map, 'answers')
    })
    const late = clock.after(limits.targetMs, () => {
      target.destroy(Object.assign(new Error('The target does not answer.'), { code: 'ETIMEDOUT' }))
    })
    target.once('connect', () => late.cancel())
    target.once('close', () => late.cancel())
    joinTcp(
      target,
      flow,
      err => {
        if (isAddressMissing(err)) this.#disableAddresses()
        return reached ? 'FLOW_RESET' : this.#unreachable(guest, map, err)
      },
      () => {},
      map.proxyProtocol ? () => prefaceOf(guest, map, target) : undefined,
      usage
    )
    return null
  }

  /** Gives a flow to the code of this process that is the target. */
  #handle(guest: Guest, map: SharedMap, flow: ByteFlow): ErrorCode | null {
    const remote = remoteOf(guest)
    const stream = new FlowStream(remote)
    const usage = guest.usage.openSocket(() => {
      flow.reset('TOO_MANY_FLOWS')
      stream.destroy(flowError('TOO_MANY_FLOWS'))
    })
    if (!usage) return 'TOO_MANY_FLOWS'
    stream.count(usage)
    // A handler that does not ask for errors does not want them either: a guest may reset at any time.
    stream.on('error', () => {})
    stream.join(flow)
    this.#call(map, stream, remote, err => stream.destroy(err))
    return null
  }

  #call(
    map: SharedMap,
    flow: FlowStream | DatagramFlow,
    remote: () => FlowRemote,
    failed: (err: Error) => void
  ): void {
    const handler = map.handler as (flow: FlowStream | DatagramFlow, guest: FlowRemote) => unknown
    const fail = (err: unknown): void => {
      this.#deps.log.error(
        { err, proto: map.proto, port: map.port },
        'the handler of a port map failed: its flow is reset'
      )
      failed(err instanceof Error ? err : new Error(String(err)))
    }
    try {
      Promise.resolve(handler(flow, remote())).catch(fail)
    } catch (err) {
      fail(err)
    }
  }

  /** The end of a UDP flow in this process. */
  #handleUdp(guest: Guest, map: SharedMap, id: number): UdpConversation['target'] | null {
    const remote = remoteOf(guest)
    const { clock } = this.#deps
    const usage = guest.usage.openSocket(() => flow.close())
    if (!usage) return null
    const flow: DatagramFlow = new DatagramFlow({
      remote,
      send: payload => {
        guest.udp.touch(id, clock.now())
        guest.session.sendUdp(map.id, id, payload, map.duplicate)
      },
      close: () => {
        usage.close()
        guest.udp.delete(id)
      }
    })
    this.#call(map, flow, remote, () => flow.close())
    // Already over: the guest's next payload begins another one.
    if (flow.closed) return null
    return { send: payload => flow.receive(payload), close: () => flow.close() }
  }

  /** Passes on a UDP payload of a guest; what is for a map that the guest may not use is dropped. */
  send(guest: Guest, mapId: number, flow: number, payload: Uint8Array): void {
    // That one goes the other way only.
    if (flow === ANNOUNCEMENTS) return
    const { clock, maps } = this.#deps
    const now = clock.now()
    let conversation = guest.udp.touch(flow, now)
    if (!conversation) {
      const map = maps.open(mapId, 'udp', guest.grant)
      if (!map) return
      // Before room is made: no flow ends for one that is refused.
      if (!guest.usage.takeUdpFlow()) {
        return this.#refuse(guest, 'a guest begins too many UDP flows a second: some are dropped')
      }
      if (!guest.udp.makeRoom(now)) return this.#refuse(guest, 'too many UDP flows: new ones are dropped')
      const target = map.handler ? this.#handleUdp(guest, map, flow) : this.#targetOf(guest, map, flow)
      if (!target) return
      conversation = { map: mapId, target }
      guest.udp.add(flow, conversation, now)
      guest.session.traffic.converse(mapId)
    }
    conversation.target.send(payload)
  }

  #targetOf(guest: Guest, map: SharedMap, flow: number): UdpTarget {
    const { clock, maps, limits } = this.#deps
    let answered = false
    return new UdpTarget({
      resolver: this.#resolverOf(map),
      port: map.port,
      waiting: guest.waiting,
      limits,
      from: this.#sourceOf(map, guest),
      openSocket: end => guest.usage.openSocket(end),
      onmessage: answer => {
        if (!answered) this.#deps.onreach(map, 'answers')
        answered = true
        guest.udp.touch(flow, clock.now())
        guest.session.sendUdp(map.id, flow, answer, maps.find(map.id)?.duplicate)
      },
      onerror: err => {
        answered = false
        if (isAddressMissing(err)) this.#disableAddresses()
        else this.#unreachable(guest, map, err)
      },
      onended: () => guest.udp.delete(flow)
    })
  }

  /** Drops the first datagram of a flow that is beyond a limit. */
  #refuse({ label, session }: Guest, why: string): void {
    session.datagramCounts.dropped.limited++
    if (this.#unreached.admits(`flows ${label}`)) this.#deps.log.warn({ peer: label }, why)
  }

  /** Logs now and then why a target cannot be reached, and gives the code for it. */
  #unreachable(guest: Guest, map: SharedMap, err: unknown): ErrorCode {
    const code = targetCode(err)
    const cause = codeOf(err)
    const target = hostPort(map.host, map.port)
    if (saysClosed(err)) this.#deps.onreach(map, 'closed')
    const isTold = this.#unreached.admits(`${cause} ${map.proto} ${target}`)
    const told = { peer: guest.label, proto: map.proto, target, code, cause }
    const message = NO_FILES.has(cause)
      ? 'the system lets hyper-nat open no more connections: raise the limit of open files (ulimit -n)'
      : (UNRESOLVED[cause] ?? (isSocketPath(map.host) ? UNREACHED_SOCKET : UNREACHED)[code])
    if (!isTold) this.#deps.log.debug(told, message)
    else if (code === 'TARGET_REFUSED' && isIPv4Loopback(map.host)) this.#warnClosed(map, told, message)
    else this.#deps.log.warn(told, message)
    return code
  }

  /** A port that is closed on loopback: some games listen at the address of the LAN alone. */
  #warnClosed({ proto, port, host }: SharedMap, told: object, message: string): void {
    const { log } = this.#deps
    otherAddress(proto === 'udp' ? 'udp' : 'tcp', port).then(
      address => {
        if (address === undefined) return log.warn(told, message)
        log.warn({ ...told, found: hostPort(address, port) }, elsewhereText(port, host, address))
      },
      err => log.warn({ ...told, err }, message)
    )
  }

  /** The address to connect to a target from; undefined for the machine's own. */
  #sourceOf(map: SharedMap, { address }: Guest): string | undefined {
    return map.playerAddresses && this.#deps.players.usable ? address : undefined
  }

  /** The system has no such addresses: reported once. */
  #disableAddresses(): void {
    const { players, emit } = this.#deps
    if (!players.usable) return
    players.usable = false
    emit({
      event: 'warning',
      code: 'NO_PLAYER_ADDRESSES',
      message:
        'This system has no addresses for players, as on macOS: the game sees every guest as 127.0.0.1. Do not ban by address in the game, which would hit all of them; use hyper-nat block, or invites.'
    })
  }
}

/**
 * The source in a PROXY header: the guest's own address, whatever its path is, with the port of our connection,
 * so that both sides' logs name one connection alike.
 */
function prefaceOf(guest: Guest, map: SharedMap, socket: net.Socket): Uint8Array {
  const { localPort = 0, remoteAddress = guest.address, remotePort = map.port } = socket
  return proxyHeader(
    { address: guest.address, port: localPort },
    { address: remoteAddress, port: remotePort }
  )
}

/** Who a guest is, to a handler. */
function remoteOf(guest: Guest): () => FlowRemote {
  const { publicKey } = guest
  return () => ({ publicKey, name: guest.grant.name, path: guest.link?.path ?? null })
}
