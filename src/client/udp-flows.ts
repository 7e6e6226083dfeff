/**
 * The UDP conversations of a client's maps: each local program has a flow of its own, so that answers find it again, and what is
 * sent while there is no session is kept for a moment.
 */

import { PendingDatagrams } from '../flows/pending-datagrams.js'
import { UdpFlows } from '../flows/udp.js'
import { withPort } from '../lan/port-field.js'
import { FULL_REST_MS } from '../limits.js'
import { LogThrottle } from '../log/throttle.js'
import type { Deps } from '../network/deps.js'
import { DatagramFlow, type FlowRemote } from '../sockets/flow-stream.js'
import { LOCALHOST } from '../text/address.js'
import type { Host } from './hosts/host.js'
import type { Hosts } from './hosts/hosts.js'
import type { OpenMap } from './open-map.js'

/** One local program on a UDP map. */
export interface UdpFlow {
  readonly id: number
  readonly map: OpenMap
  readonly port: number
  readonly address: string
  readonly key: string
  /** Where answers go: to the program, to a game that asked the whole LAN, or to a flow of this process. */
  readonly to: 'program' | 'lan' | DatagramFlow
  /** When its activity was last recorded in the table, ms. */
  toldAt: number
  /** Where it leads: it stays while a session there shares the port, for the other side has its state there; see `failover`. */
  host: Host | null
}

/** Where a datagram came from. */
interface Source {
  readonly port: number
  readonly address: string
}

export class UdpFlowTable {
  readonly #deps: Pick<Deps, 'clock' | 'limits' | 'log'>
  readonly #hosts: Pick<Hosts, 'pick' | 'refuse'>
  readonly #pending: PendingDatagrams
  readonly #full: LogThrottle
  readonly #flows: UdpFlows<string, UdpFlow>
  readonly #flowsById = new Map<number, UdpFlow>()
  /** By {@link OpenMap.index}, the flow of the last datagram: most often the next one's too, and then nothing is looked up. */
  readonly #lastFlows: (UdpFlow | undefined)[] = []
  #nextFlow = 1
  /** Flows of this process. */
  readonly #own = new Set<DatagramFlow>()
  #nextOwn = 1
  #closed = false

  constructor(deps: Pick<Deps, 'clock' | 'limits' | 'log'>, hosts: Pick<Hosts, 'pick' | 'refuse'>) {
    const { limits } = deps
    this.#deps = deps
    this.#hosts = hosts
    this.#pending = new PendingDatagrams(limits)
    this.#full = new LogThrottle(deps.clock, FULL_REST_MS)
    this.#flows = new UdpFlows(limits, (_key, flow, cause) => {
      this.#flowsById.delete(flow.id)
      this.#lastFlows[flow.map.index] = undefined
      if (cause === 'full') this.#tellFull(flow.map, 'too many UDP flows: the one idle longest made room')
    })
  }

  #tellFull(map: OpenMap, what: string): void {
    const level = this.#full.admits(what) ? 'warn' : 'debug'
    this.#deps.log[level]({ port: map.localPort }, what)
  }

  /** Datagrams that were never sent for want of a session. */
  get dropped(): number {
    return this.#pending.dropped
  }

  /** The host's numbers of the maps of the conversations with it, one for each conversation. */
  of(host: Host): number[] {
    return this.#flows
      .values()
      .flatMap(flow => (flow.host === host ? (host.mapId(flow.map.index) ?? []) : []))
  }

  /** Forgets those that have been idle for long enough. */
  sweep(): void {
    this.#flows.sweep(this.#deps.clock.now())
  }

  /** Forgets those of a map that is being closed. */
  drop(map: OpenMap): void {
    this.#flows.drop(flow => flow.map === map)
  }

  close(): void {
    this.#closed = true
    for (const flow of [...this.#own]) flow.close()
    this.#flows.clear()
  }

  /** A flow of this process. It has no end but `close`: after a silence, the server has another conversation for it. */
  open(map: OpenMap, remote: () => FlowRemote): DatagramFlow {
    const address = `own ${this.#nextOwn++}`
    const own: DatagramFlow = new DatagramFlow({
      remote,
      send: payload => {
        const now = this.#deps.clock.now()
        const flow = this.#flowOf(map, 0, address, now, own)
        if (flow) this.#send(flow, payload, now)
      },
      close: () => {
        this.#own.delete(own)
        this.#flows.drop(({ to }) => to === own)
      }
    })
    this.#own.add(own)
    return own
  }

  /** A session is up: what waited for one goes on. */
  release(): void {
    const now = this.#deps.clock.now()
    for (const { flow: id, payload, since } of this.#pending.take(now)) {
      const flow = this.#flowsById.get(id)
      if (flow) this.#send(flow, payload, now, since)
    }
  }

  /** A game asks the whole LAN who plays it. */
  question(map: OpenMap, payload: Uint8Array, { port, address }: Source): void {
    const now = this.#deps.clock.now()
    const flow = this.#flowOf(map, port, address, now, 'lan')
    if (flow) this.#send(flow, payload, now)
  }

  /** A local program has sent something to a map's port. */
  payload(map: OpenMap, payload: Uint8Array, from: Source): void {
    const now = this.#deps.clock.now()
    const { port, address } = from
    let flow = this.#lastFlows[map.index]
    if (flow?.port === port && flow.address === address) this.#touch(flow, now)
    else {
      const found = this.#flowOf(map, port, address, now)
      if (!found) return
      flow = this.#lastFlows[map.index] = found
    }
    this.#send(flow, payload, now)
  }

  /** @param since when the program has sent it */
  #send(flow: UdpFlow, payload: Uint8Array, now: number, since = now): void {
    const { index } = flow.map
    // A host that no longer shares the port has ended the conversation.
    const left = (flow.host?.mapId(index) ?? null) === null ? null : flow.host!.session
    if (!left || (flow.map.failover && this.#isSilent(flow.host!, now))) {
      flow.host = this.#hosts.pick(index)
      const id = flow.host?.mapId(index) ?? null
      if (id !== null && flow.host?.session !== left) flow.host?.session?.traffic.converse(id)
    }
    const session = flow.host?.session
    const id = flow.host?.mapId(index) ?? null
    if (session?.state === 'up') {
      if (id !== null) session.sendUdp(id, flow.id, payload, flow.map.duplicate)
    } else if (!this.#hosts.refuse(index)) this.#pending.add(flow.id, payload, now, since)
  }

  #isSilent({ connected, lastReceived }: Host, now: number): boolean {
    return !connected || now - lastReceived >= this.#deps.limits.silentMs
  }

  /**
   * The flow of a local program, a new one if it has none.
   * @param to where answers go
   * @returns null when there is no room for a new one, and the datagram is dropped
   */
  #flowOf(
    map: OpenMap,
    port: number,
    address: string,
    now: number,
    to: UdpFlow['to'] = 'program'
  ): UdpFlow | null {
    const key = `${to === 'lan' ? 'lan ' : ''}${map.index}/${address}/${port}`
    const known = this.#flows.touch(key, now)
    if (known) return known
    if (!this.#flows.makeRoom(now)) {
      this.#refuse(map)
      return null
    }
    const flow = { id: this.#nextFlow++, map, port, address, key, to, toldAt: now, host: null }
    this.#flows.add(key, flow, now)
    this.#flowsById.set(flow.id, flow)
    return flow
  }

  #refuse(map: OpenMap): void {
    this.#tellFull(map, 'too many UDP flows: new ones are dropped')
    const session = this.#hosts.pick(map.index)?.session
    if (session) session.datagramCounts.dropped.limited++
    else this.#pending.dropped++
  }

  #touch(flow: UdpFlow, now: number): void {
    if (now - flow.toldAt < this.#deps.limits.udpTouchMs) return
    flow.toldAt = now
    this.#flows.touch(flow.key, now)
  }

  /** A host sends something back. */
  answer(host: Host, id: number, payload: Uint8Array): void {
    const flow = this.#flowsById.get(id)
    // What a host says whose flow has moved on belongs to a conversation that is over.
    if (!flow || flow.host !== host) return
    this.#touch(flow, this.#deps.clock.now())
    const { to, map, port, address } = flow
    if (to === 'program') map.udp?.send(payload, port, address)
    else if (to === 'lan') this.#answerLan(flow, payload)
    else to.receive(payload)
  }

  /** Answers from loopback, so that the game goes there; a socket for all addresses receives it there, too. */
  #answerLan({ map, port, address }: UdpFlow, payload: Uint8Array): void {
    const discovery = map.lobby?.discovery
    const answer =
      discovery?.how === 'client-queries' ? withPort(discovery.answer, payload, map.localPort) : payload
    // Not every system sends from loopback to the machine's address in the LAN.
    map.udp?.send(answer, port, address, () => {
      if (!this.#closed) map.udp?.send(answer, port, LOCALHOST)
    })
  }
}
