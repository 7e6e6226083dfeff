/** A client as the library opens it: its local ports are those that were asked for, or the next free ones. */
import { codeOf } from '../errors.js'
import type { ClientMapInfo, ConnectionInfo, SharedMapInfo } from '../events.js'
import { encodeKey } from '../identity/encoding.js'
import { depsOf } from '../network/deps.js'
import { checkDatagrams, checkOpenedMaps, checkPlace, checkStream } from '../options/arguments.js'
import {
  closeOnAbort,
  type DatagramFlow,
  type DatagramOptions,
  type FlowStream,
  type FlowStreamOptions
} from '../sockets/flow-stream.js'
import { freePorts, type LocalPlace, type MovedPorts, type WantedPort } from '../sockets/free-ports.js'
import type { ClientStatus } from '../status.js'
import { LOCALHOST } from '../text/address.js'
import { formatPorts } from '../text/ports.js'
import { isSocketPath } from '../text/socket-path.js'
import { Client, type ClientDeps } from './client.js'
import type { ClientHandle, MapToOpen } from './handle.js'
import type { MapEntry } from './open-map.js'

/** What opened maps need besides the maps. */
export interface OpenClientDeps extends ClientDeps {
  /** Called when they are being closed. */
  readonly onclose: () => void
}

/** A map with its port here, which may make way. */
type WantedMap = MapEntry & WantedPort

export class OpenClient implements ClientHandle {
  readonly #deps: OpenClientDeps
  readonly #client: Client

  constructor(deps: OpenClientDeps) {
    this.#deps = depsOf(deps, encodeKey(deps.publicKey))
    this.#client = new Client(this.#deps)
  }

  /**
   * Binds the local ports, those in use exchanged for the next free ones where that will do, and begins to dial.
   * @throws HyperNatError PORT_IN_USE, SOCKET_IN_USE, ADDRESS_NOT_HERE, LISTEN_FAILED, CLOSED; it is closed then
   */
  async open(maps: readonly MapToOpen[]): Promise<void> {
    const wanted = maps.map(map => ({ ...mapEntry(map), nextFree: map.nextFree ?? false, set: map.set }))
    try {
      await this.#listen(wanted)
    } catch (err) {
      await this.close()
      throw err
    }
    this.#client.start()
  }

  get maps(): readonly ClientMapInfo[] {
    return this.#client.maps
  }

  get connection(): ConnectionInfo | null {
    return this.#client.connection
  }

  get connections(): readonly ConnectionInfo[] {
    return this.#client.connections
  }

  /** What the server shares, as far as it has said so. */
  get shared(): readonly SharedMapInfo[] {
    return this.#client.shared
  }

  get serverIsRandom(): boolean | null {
    return this.#client.serverIsRandom
  }

  ping(host?: string): Promise<number | null> {
    return this.#client.ping(host)
  }

  /** @throws HyperNatError BAD_OPTIONS, TOO_MANY_FLOWS, CLOSED */
  stream(proto: 'tcp' | 'tcpudp', port: number, options: FlowStreamOptions = {}): FlowStream {
    checkPlace(['tcp', 'tcpudp'], { proto, port })
    checkStream(options)
    return this.#client.stream(proto, port, options)
  }

  /** @throws HyperNatError BAD_OPTIONS, CLOSED */
  datagrams(port: number, options: DatagramOptions = {}): DatagramFlow {
    checkPlace(['udp'], { proto: 'udp', port })
    checkDatagrams(options)
    return closeOnAbort(this.#client.datagrams(port), options)
  }

  status(): ClientStatus {
    return this.#client.status()
  }

  async setMaps(maps: readonly Omit<MapToOpen, 'nextFree' | 'set'>[]): Promise<void> {
    checkOpenedMaps(maps)
    return this.#client.setMaps(maps.map(mapEntry))
  }

  close(): Promise<void> {
    this.#deps.onclose()
    return this.#client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #listen(wanted: readonly WantedMap[]): Promise<void> {
    const { limits } = this.#deps
    for (let tries = limits.nextFreeTries; ; tries--) {
      const { places, moved } = await freePorts(wanted, limits.nextFreePorts)
      const entries = wanted.map((map, i) => ({ ...map, ...places[i]! }))
      try {
        await this.#client.listen(entries)
      } catch (err) {
        // Taken since it was found free.
        if (codeOf(err) === 'PORT_IN_USE' && tries > 1 && wanted.some(({ nextFree }) => nextFree)) continue
        throw err
      }
      for (const group of moved) this.#warnMoved(group, wanted, places)
      return
    }
  }

  #warnMoved(
    { members, set, cause }: MovedPorts,
    wanted: readonly WantedMap[],
    places: readonly LocalPlace[]
  ): void {
    const maps = members.map(index => ({ ...wanted[index]!, now: places[index]! }))
    // Games of this kind take their server's port for themselves, and go on to the next one when it is taken.
    const advice = maps.some(({ lobby }) => lobby?.discovery.how === 'client-queries')
      ? ' Start hyper-nat before the game, and it stays the same.'
      : ''
    const { localHost, localPort } = maps[0]!.now
    const there = formatPorts([...new Set(maps.map(({ port }) => port))])
    const here = formatPorts([...new Set(maps.map(({ now }) => now.localPort))])
    const several = there.includes(',') || there.includes('-')
    const where =
      localHost !== maps[0]!.localHost
        ? `all of ${set?.title ?? 'it'} is at ${localHost} here, with the same port numbers, which it needs`
        : several
          ? `ports ${there} of the server are at ${here} here${set ? `: ${set.title} needs them together` : ''}`
          : `port ${there} of the server is at ${localPort === 0 ? 'any free port' : `port ${here}`} here`
    this.#deps.emit({ event: 'warning', code: 'PORT_MOVED', message: `${cause}, so ${where}.${advice}` })
  }
}

/** Each field by its name: rest syntax would leave out those that an object inherits from its class. */
function mapEntry(map: Omit<MapToOpen, 'nextFree' | 'set'>): MapEntry {
  const { proto, port, path = `${proto} ${port}`, localHost = LOCALHOST, localHostPath, localPort } = map
  const { lobby, socketMode, duplicate, failover } = map
  return {
    proto,
    port,
    path,
    localHost,
    ...(localHostPath !== undefined && { localHostPath }),
    localPort: localPort ?? (isSocketPath(localHost) ? 0 : port),
    ...(lobby && { lobby }),
    ...(socketMode !== undefined && { socketMode }),
    ...(duplicate !== undefined && { duplicate }),
    ...(failover !== undefined && { failover })
  }
}
