/**
 * Speaks to the targets of a server's port maps on behalf of its guests: dials them, from the guest's own address or with a header
 * that tells it where they want that, and joins them to the guest's flows.
 */
import type net from 'node:net'
import type { Players } from '../access/players.js'
import { codeOf, type ErrorCode } from '../errors.js'
import type { DaemonEvent } from '../events.js'
import type { ByteFlow, Carrier } from '../flows/byte-flow.js'
import { playerAddress } from '../identity/player-address.js'
import { type Limits, REFUSED_REST_MS } from '../limits.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import { otherAddress } from '../sockets/other-address.js'
import { proxyHeader } from '../sockets/proxy-header.js'
import { isNotOurs, isOurs } from '../sockets/source-address.js'
import { dialTcp, joinTcp, targetCode } from '../sockets/tcp.js'
import { dialUdp } from '../sockets/udp.js'
import { hostPort, isIPv4Loopback } from '../text/address.js'
import type { Clock } from '../util/clock.js'
import { ANNOUNCEMENTS } from '../wire/constants.js'
import type { Guest } from './guest.js'
import type { SharedMap, SharedMaps } from './shared-maps.js'

/** What the server's owner is told. */
const UNREACHED: Record<ReturnType<typeof targetCode>, string> = {
  TARGET_REFUSED:
    'the shared port is closed: is the program running, and is this its port? Share the port that it listens on',
  TARGET_TIMEOUT:
    'nothing answers at the shared port: is that computer on, and does its firewall let this one through?',
  TARGET_UNREACHABLE:
    'there is no way to the shared port: is the host right, and is this computer on its network?'
}

/** The system's limits for open files, which connections count as. */
const NO_FILES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE'])

export interface TargetsParts {
  readonly maps: SharedMaps
  /** The addresses of this node's guests. */
  readonly players: Players
  readonly clock: Clock
  readonly limits: Pick<Limits, 'targetMs'>
  readonly log: Log
  readonly emit: (event: DaemonEvent) => void
  /** Called with what a guest's connection shows about a target. */
  readonly onreach: (map: SharedMap, state: 'answers' | 'closed') => void
}

export class Targets {
  readonly #parts: TargetsParts
  readonly #unreached: LogThrottle

  constructor(parts: TargetsParts) {
    this.#parts = parts
    this.#unreached = new LogThrottle(parts.clock, REFUSED_REST_MS)
  }

  /** Finds out whether the system has the addresses of guests, if any map needs them. */
  async tryAddresses(): Promise<void> {
    if (this.#parts.maps.have('playerAddresses') && !(await isOurs(playerAddress(0)))) this.#loseAddresses()
  }

  /** The address of a guest that targets see, or are told of; null where they see the machine's own. */
  shownAddress({ address }: Guest): string | null {
    const { maps, players } = this.#parts
    const isSeen = maps.have('playerAddresses') && players.usable
    return isSeen || maps.have('proxyProtocol') ? address : null
  }

  /**
   * Dials the target of a flow that a guest has opened.
   * @returns why not: the guest may not use such a map
   */
  connect(guest: Guest, flow: ByteFlow, carrier: Carrier): ErrorCode | null {
    const { clock, limits, maps } = this.#parts
    const map = maps.connect(flow.map, carrier, guest.visitor)
    if (!map) return 'MAP_NOT_SHARED'
    const socket = dialTcp(map.host, map.port, this.#sourceOf(map, guest))
    let reached = false
    socket.once('connect', () => {
      reached = true
      this.#parts.onreach(map, 'answers')
    })
    const late = clock.after(limits.targetMs, () => {
      socket.destroy(Object.assign(new Error('The target does not answer.'), { code: 'ETIMEDOUT' }))
    })
    socket.once('connect', () => late.cancel())
    socket.once('close', () => late.cancel())
    joinTcp(
      socket,
      flow,
      err => {
        if (isNotOurs(err)) this.#loseAddresses()
        return reached ? 'FLOW_RESET' : this.#unreachable(guest, map, err)
      },
      () => {},
      map.proxyProtocol ? () => prefaceOf(guest, map, socket) : undefined
    )
    return null
  }

  /** Passes on a UDP payload of a guest; what is for a map that the guest may not use is dropped. */
  send(guest: Guest, mapId: number, flow: number, payload: Uint8Array): void {
    // That one goes the other way only.
    if (flow === ANNOUNCEMENTS) return
    const { clock, maps } = this.#parts
    const now = clock.now()
    let conversation = guest.udp.touch(flow, now)
    if (!conversation) {
      const map = maps.open(mapId, 'udp', guest.visitor)
      if (!map) return
      const target = dialUdp(
        map.host,
        map.port,
        answer => {
          guest.udp.touch(flow, clock.now())
          guest.session.sendUdp(mapId, flow, answer, map.duplicate)
        },
        err => {
          if (isNotOurs(err)) this.#loseAddresses()
          else this.#unreachable(guest, map, err)
        },
        this.#sourceOf(map, guest)
      )
      conversation = { map: mapId, target }
      guest.udp.add(flow, conversation, now)
      guest.session.converse(mapId)
    }
    conversation.target.send(payload)
  }

  /** Logs now and then why a target cannot be reached, and gives the code for it. */
  #unreachable(guest: Guest, map: SharedMap, err: unknown): ErrorCode {
    const code = targetCode(err)
    const cause = codeOf(err)
    const target = hostPort(map.host, map.port)
    if (!NO_FILES.has(cause)) this.#parts.onreach(map, 'closed')
    const isTold = this.#unreached.admits(`${cause} ${map.proto} ${target}`)
    const told = { peer: guest.label, proto: map.proto, target, code, cause }
    const message = NO_FILES.has(cause)
      ? 'the system lets hyper-nat open no more connections: raise the limit of open files (ulimit -n)'
      : UNREACHED[code]
    if (!isTold) this.#parts.log.debug(told, message)
    else if (code === 'TARGET_REFUSED' && isIPv4Loopback(map.host)) this.#tellClosed(map, told, message)
    else this.#parts.log.warn(told, message)
    return code
  }

  /** A port that is closed on loopback: some games listen at the address of the LAN alone. */
  #tellClosed({ proto, port }: SharedMap, told: object, message: string): void {
    const { log } = this.#parts
    otherAddress(proto === 'udp' ? 'udp' : 'tcp', port).then(
      address => {
        if (address === undefined) return log.warn(told, message)
        log.warn(
          { ...told, found: hostPort(address, port) },
          `the shared port is closed at 127.0.0.1, but a program has it at ${address}: share it from there, with --host ${address} (in options.json: "host": "${address}")`
        )
      },
      err => log.warn({ ...told, err }, message)
    )
  }

  /** The address to connect to a target from; undefined for the machine's own. */
  #sourceOf(map: SharedMap, { address }: Guest): string | undefined {
    return map.playerAddresses && this.#parts.players.usable ? address : undefined
  }

  /** The system has no such addresses: this is told once. */
  #loseAddresses(): void {
    const { players, emit } = this.#parts
    if (!players.usable) return
    players.usable = false
    emit({
      event: 'warning',
      code: 'NO_PLAYER_ADDRESSES',
      message:
        'This system has no addresses for players (of 127.0.0.0/8 it has 127.0.0.1 alone, as macOS does), so every guest comes from 127.0.0.1: a ban of the game by address hits all of them.'
    })
  }
}

/**
 * What a target of the PROXY protocol is told: the guest's own address, whatever its path is, with the port of our connection,
 * so that both sides' logs name one connection alike.
 */
function prefaceOf(guest: Guest, map: SharedMap, socket: net.Socket): Uint8Array {
  const { localPort = 0, remoteAddress = guest.address, remotePort = map.port } = socket
  return proxyHeader(
    { address: guest.address, port: localPort },
    { address: remoteAddress, port: remotePort }
  )
}
