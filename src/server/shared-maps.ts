/** The port maps of one server, each with the number that stands for it on the wire as long as it is shared. */
import { type Grant, mayUse } from '../access/access.js'
import { HyperNatError } from '../errors.js'
import type { ServerMapInfo } from '../events.js'
import type { Carrier } from '../flows/byte-flow.js'
import type { Lobby } from '../games/lobby.js'
import type { ServerFeature } from '../options/features.js'
import type { Proto } from '../proto.js'
import type { FlowRemote } from '../sockets/flow-stream.js'
import { MAX_MAPS } from '../wire/constants.js'
import type { WireMap } from '../wire/handshake.js'

/** A port map, and how its target is spoken to. */
export interface ServerMap extends ServerMapInfo, Readonly<Record<ServerFeature, boolean>> {
  /** What its owner calls it. */
  readonly name?: string | undefined
  /** What its game's LAN discovery wants of it. */
  readonly lobby?: Lobby | undefined
  /** This process itself is the target: what takes its flows, a `FlowStream` or a `DatagramFlow`. */
  readonly handler?: ((flow: never, guest: FlowRemote) => unknown) | undefined
}

/** A port map with its number. Never changed: when its features change, another object with the same number takes its place. */
export type SharedMap = Readonly<ServerMap & WireMap>

export class SharedMaps {
  #list: readonly SharedMap[] = []
  /** The same by number: each datagram of a guest asks. */
  #byId: ReadonlyMap<number, SharedMap> = new Map()
  #nextId = 1

  constructor(maps: readonly ServerMap[]) {
    this.change(maps)
  }

  get list(): readonly SharedMap[] {
    return this.#list
  }

  /**
   * Replaces the maps. One that has the same protocol, port and host as before keeps its number, so its flows go on.
   * @throws HyperNatError `BAD_OPTIONS` when they are more than a session can name
   */
  change(maps: readonly ServerMap[]): void {
    if (maps.length > MAX_MAPS) {
      const message = `These are ${maps.length} port maps under one secret; ${MAX_MAPS} are the most: share fewer, or give some another secret.`
      throw new HyperNatError('BAD_OPTIONS', message)
    }
    const before = new Map(this.#list.map(map => [placeOf(map), map.id]))
    this.#list = maps.map(map => ({ ...map, id: before.get(placeOf(map)) ?? this.#nextId++ }))
    this.#byId = new Map(this.#list.map(map => [map.id, map]))
  }

  find(id: number): SharedMap | undefined {
    return this.#byId.get(id)
  }

  /** The map of this number, if it is of this protocol and the grant may use it. */
  open(id: number, proto: Proto, grant: Grant): SharedMap | undefined {
    const map = this.find(id)
    return map?.proto === proto && mayUse(grant, map) ? map : undefined
  }

  /** The map of this number, if its TCP connections may use this carrier and the grant may use it. */
  connect(id: number, carrier: Carrier, grant: Grant): SharedMap | undefined {
    const tcp = this.open(id, 'tcp', grant)
    return tcp ?? (carrier === 'arq' ? this.open(id, 'tcpudp', grant) : undefined)
  }

  /** What the grant may use. */
  of(grant: Grant): SharedMap[] {
    return this.#list.filter(map => mayUse(grant, map))
  }

  /** Whether any of them has it. */
  have(feature: ServerFeature): boolean {
    return this.#list.some(map => map[feature])
  }
}

/** What a map keeps its number by. */
function placeOf({ proto, port, host, handler }: ServerMap): string {
  return `${proto} ${port} ${host} ${handler ? 'handler' : 'target'}`
}
