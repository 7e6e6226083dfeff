/** The `tcpudp` flows of one session, and what they share: the path, its MTU, and the end of each turn. */

import type { Datagrams } from '../datagrams/datagrams.js'
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import { Budget, type PeerBudgets } from '../util/budget.js'
import type { Clock } from '../util/clock.js'
import { Queue } from '../util/queue.js'
import { Reader, varintSize, writeVarint } from '../wire/bytes.js'
import { segmentRoom } from '../wire/records.js'
import { openPayload, strayReply } from './arq/index.js'
import type { FlowTrace } from './flow-trace.js'
import { PENDING_BYTES } from './pending-flow.js'
import { type TcpudpCarrier, TcpudpFlow } from './tcpudp.js'

/** Memory of a flow without the bytes that it keeps: its objects, what it remembers of packets, and what others like it have left to collect. */
const FLOW_BYTES = 16 * 1024

/** Makes the traces of flows. */
export interface FlowTraces {
  flow(id: number): FlowTrace
  datagramSize(size: number): void
}

export interface TcpudpFlowsDeps {
  readonly clock: Clock
  readonly limits: Limits
  /** Budgets that the session shares with others of its peer. */
  readonly budgets?: PeerBudgets
  /** Numbers from 0 to below 1; need not be secret. */
  readonly chance: () => number
  /** What all flows of the session share for windows. */
  readonly windows: Budget
  rtt(): number | null
  minRtt(): number | null
  /** What the client may have kept, which each of its flows is charged to (server only); left out: there is no bound. */
  readonly memory?: Budget | undefined
  /** Whether a client may open one flow more now, by its rate (server only); otherwise it asks again. */
  mayOpen(): boolean
  /** A client opened a flow (server only); return an error code to refuse it. */
  open(flow: TcpudpFlow): ErrorCode | null
  /** Traces the flows; null: nothing is traced. */
  readonly trace?: FlowTraces | null
  /** A flow is thin: it carries a game or an interactive session. */
  thin(): void
  /** A flow is forgotten. */
  done(flow: TcpudpFlow): void
}

export class TcpudpFlows {
  readonly flows = new Map<number, TcpudpFlow>()
  /** Those of them that are over and only linger. */
  readonly #lingering = new Set<TcpudpFlow>()
  /** Numbers that the client has used lately, and the highest that is no longer kept here: none comes twice. */
  readonly #used = new Set<number>()
  #usedUpTo = 0
  readonly #touched = new Queue<TcpudpFlow>()
  /** Bytes of all flows that wait to be sent or acknowledged. */
  readonly queue: Budget
  readonly #carrier: TcpudpCarrier
  #datagrams: Datagrams | null = null
  #size = 0
  #next = 1
  #cwndCap = Number.POSITIVE_INFINITY

  constructor(
    readonly role: 'client' | 'server',
    readonly outside: TcpudpFlowsDeps
  ) {
    this.queue = new Budget(outside.limits.sessionQueue, outside.budgets?.kept)
    this.#carrier = {
      clock: outside.clock,
      limits: outside.limits,
      random: outside.chance,
      queue: this.queue,
      windows: outside.windows,
      ...(outside.budgets && { gaps: outside.budgets.gaps }),
      // Without a path, what every path takes.
      segmentSize: flow => segmentRoom(this.#datagrams?.size ?? 1100, flow),
      rtt: () => outside.rtt(),
      minRtt: () => outside.minRtt(),
      send: (flow, segment) => {
        this.#datagrams?.packer.segment(flow, segment)
        this.#datagrams?.queue()
      },
      touch: flow => {
        this.#touched.add(flow.turn)
        this.#datagrams?.queue()
      },
      ...(outside.trace && { trace: (id: number) => outside.trace!.flow(id) }),
      thin: () => outside.thin(),
      lingers: flow => {
        this.#lingering.add(flow)
        if (this.#lingering.size > outside.limits.lingeringFlows) this.#makeRoom()
      },
      done: flow => {
        if (this.flows.delete(flow.id)) outside.memory?.giveBack(FLOW_BYTES)
        this.#lingering.delete(flow)
        this.#touched.delete(flow.turn)
        outside.done(flow)
      }
    }
  }

  /**
   * Opens a flow on the server's port map `map` (client only).
   * @throws HyperNatError TOO_MANY_FLOWS
   */
  open(map: number): TcpudpFlow {
    if (this.#full) {
      throw new HyperNatError(
        'TOO_MANY_FLOWS',
        `There are ${this.live} connections already: close some first.`
      )
    }
    const payload = new Uint8Array(varintSize(map))
    writeVarint(payload, 0, map)
    return this.#add(this.#next++, map, payload)
  }

  /** A segment came. */
  onSegment(id: number, segment: Uint8Array): void {
    let flow = this.flows.get(id)
    if (!flow) {
      const open = this.role === 'server' ? openPayload(segment) : null
      if (open === null || this.#full || this.#isUsed(id)) return this.#stray(id, segment)
      if (!this.#hasRoom) this.#makeRoom()
      // As with a listener whose backlog is full, the client asks again: some of what is lent comes back meanwhile.
      if (!this.#hasRoom || !this.outside.mayOpen()) return
      const reader = new Reader(open)
      const map = reader.varint()
      reader.done()
      this.#use(id)
      this.outside.memory?.charge(FLOW_BYTES)
      flow = this.#add(id, map)
      const refused = this.outside.open(flow)
      flow.input(segment)
      if (refused) flow.reset(refused)
    } else flow.input(segment)
  }

  /** Bounds what each flow may have in flight; Infinity: its congestion control alone counts. */
  setCwndCap(bytes: number): void {
    if (bytes === this.#cwndCap) return
    this.#cwndCap = bytes
    // Those that wait for more room are called again by the next acknowledgement.
    for (const flow of this.flows.values()) flow.setCwndCap(bytes)
  }

  /**
   * The end of a turn of the event loop: flows that got something are brought up to date, all at once.
   * @returns what held one of them up that has more to say than a turn's worth, a bulk transfer: the bound, or something else; null
   * when there is none
   */
  turn(): 'cap' | 'other' | null {
    let limitedBy: 'cap' | 'other' | null = null
    const size = this.#datagrams?.size ?? this.#size
    if (size !== this.#size) {
      this.#size = size
      this.outside.trace?.datagramSize(size)
      for (const flow of this.flows.values()) flow.resize()
    }
    // Including those that a program opens when another one delivers something.
    for (let flow = this.#touched.take(); flow; flow = this.#touched.take()) {
      flow.update()
      if (flow.atCwndCap) limitedBy = 'cap'
      else if (flow.unacknowledged > this.outside.limits.quantum) limitedBy ??= 'other'
    }
    return limitedBy
  }

  /** From now on datagrams go this way; null: there is no path. */
  bind(datagrams: Datagrams | null): void {
    this.#datagrams = datagrams
    this.#size = datagrams?.size ?? 0
    for (const flow of this.flows.values()) {
      if (datagrams) flow.rebind()
      else flow.suspend()
    }
  }

  /** The path carries something again: what is missing is asked for now, and not up to 2 s later. */
  hurry(): void {
    for (const flow of this.flows.values()) flow.hurry()
  }

  /** The session is over. */
  abandon(code: ErrorCode): void {
    for (const flow of [...this.flows.values()]) flow.abandon(code)
  }

  /** Flows that are not over. */
  get live(): number {
    return this.flows.size - this.#lingering.size
  }

  /** Whether a flow is over, and only lingers. */
  lingers(flow: TcpudpFlow): boolean {
    return this.#lingering.has(flow)
  }

  get #full(): boolean {
    const { tcpFlows, lingeringFlows } = this.outside.limits
    return this.live >= tcpFlows || this.flows.size >= tcpFlows + lingeringFlows
  }

  /** Whether what the client may keep has room for one flow more, and for its socket or its wait. */
  get #hasRoom(): boolean {
    const { memory } = this.outside
    return !memory || memory.free >= FLOW_BYTES + PENDING_BYTES
  }

  /** Forgets the flow that has lingered longest: a peer that missed its last acknowledgement has most likely got another by now. */
  #makeRoom(): void {
    for (const flow of this.#lingering) if (flow.leave()) return
  }

  /** Whether the client has used this number before, as far as is remembered. */
  #isUsed(id: number): boolean {
    return id <= this.#usedUpTo || this.#used.has(id)
  }

  #use(id: number): void {
    this.#used.add(id)
    if (this.#used.size <= this.outside.limits.usedFlows) return
    // The first one in: numbers come in nearly ascending order.
    const [oldest] = this.#used
    this.#used.delete(oldest!)
    this.#usedUpTo = Math.max(this.#usedUpTo, oldest!)
  }

  #add(id: number, map: number, open?: Uint8Array): TcpudpFlow {
    const flow = new TcpudpFlow(id, map, this.#carrier, open)
    this.flows.set(id, flow)
    flow.setCwndCap(this.#cwndCap)
    if (!this.#datagrams) flow.suspend()
    return flow
  }

  /** A segment of a flow that is not (or no longer) known is answered, so that the other side need not wait. */
  #stray(id: number, segment: Uint8Array): void {
    const reply = strayReply(segment)
    if (!reply) return
    this.#datagrams?.packer.segment(id, reply)
    this.#datagrams?.queue()
  }
}
