/** The `tcp` flows of one session: their numbers, what both ends know of them after a new connection, and what they share. */

import { type ErrorCode, HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { Queue } from '../util/queue.js'
import { protocolError } from '../wire/bytes.js'
import { resetFrame } from '../wire/frames.js'
import type { FlowPosition } from '../wire/handshake.js'
import type { Outbox } from './scheduler.js'
import { type TcpCarrier, TcpFlow, type TcpLimits } from './tcp.js'

export interface TcpOutside {
  readonly clock: Clock
  readonly limits: TcpLimits & Pick<Limits, 'tcpFlows' | 'sessionWindow' | 'ackDelayMs'>
  /** What all flows of the session share for windows. */
  readonly windows: Budget
  /** Where flows wait for their turn on the stream. */
  readonly outbox: Outbox
  /** Whether there is a connection. */
  connected(): boolean
  /** Sends what waits in the outbox, as far as there is room. */
  flush(): void
  /** Tells the other side that a flow which it opened is none here. */
  refuse(id: number, code: ErrorCode): void
  /** A client opened a flow (server only); return an error code to refuse it. */
  open(flow: TcpFlow): ErrorCode | null
  /** A flow is forgotten. */
  done(flow: TcpFlow): void
}

export class TcpFlows {
  readonly flows = new Map<number, TcpFlow>()
  readonly #carrier: TcpCarrier
  /** Those whose window is to be told when the timer rings. */
  readonly #soon = new Queue<TcpFlow>()
  /** Armed by the first of them. */
  #soonTimer: Timer | null = null
  #highest = 0

  constructor(
    readonly role: 'client' | 'server',
    readonly outside: TcpOutside
  ) {
    const { clock, limits, outbox, windows } = outside
    this.#carrier = {
      // The other side lends its flows no more than this either, beyond what each has at first.
      kept: new Budget(limits.sessionWindow),
      ready: flow => {
        outbox.ready(flow)
        outside.flush()
      },
      windowDue: flow => {
        this.#soon.delete(flow.soonTurn)
        if (!outside.connected()) return
        outbox.windowDue(flow)
        outside.flush()
      },
      windowSoon: flow => {
        this.#soon.add(flow.soonTurn)
        this.#soonTimer ??= clock.after(limits.ackDelayMs, () => this.#tellSoon())
      },
      borrow: bytes => windows.borrow(bytes),
      giveBack: bytes => windows.giveBack(bytes),
      done: flow => {
        outside.done(flow)
        this.flows.delete(flow.id)
        this.#soon.delete(flow.soonTurn)
        outbox.forget(flow)
      },
      now: () => clock.now()
    }
  }

  /** The highest flow that the client has opened, as far as this side knows; 0 for none. */
  get highest(): number {
    return this.#highest
  }

  /**
   * Opens a flow on the server's port map `map` (client only).
   * @throws HyperNatError TOO_MANY_FLOWS
   */
  open(map: number): TcpFlow {
    if (this.#full) {
      throw new HyperNatError(
        'TOO_MANY_FLOWS',
        `There are ${this.flows.size} connections already: close some first.`
      )
    }
    const flow = this.#add(this.#highest + 1, map)
    flow.open()
    return flow
  }

  /** The client opened a flow, with so much credit to begin with. */
  onOpen(id: number, map: number, limit: number): void {
    if (this.role !== 'server') throw protocolError('a flow opened from the wrong side')
    if (id <= this.#highest) throw protocolError('a flow opened twice')
    if (this.#full) {
      this.#highest = id
      return this.outside.refuse(id, 'TOO_MANY_FLOWS')
    }
    const flow = this.#add(id, map)
    flow.onWindow(0, limit)
    const refused = this.outside.open(flow)
    if (refused) flow.reset(refused)
  }

  /** The flow of a frame; undefined for one that we have finished with, whose last frames were on their way. */
  find(id: number): TcpFlow | undefined {
    const flow = this.flows.get(id)
    if (!flow && (id === 0 || id > this.#highest))
      throw protocolError('a frame for a flow that was never opened')
    return flow
  }

  /** How far this side has received each flow: what a greeting says to resume. */
  positions(): FlowPosition[] {
    return [...this.flows.values()].map(flow => ({ flow: flow.id, received: flow.position }))
  }

  /**
   * Compares both sides' flows after a new connection: goes on with those that both know.
   * @param highest the highest flow that the other side knows was opened
   * @param positions how far it has received each
   */
  reconcile(highest: number, positions: readonly FlowPosition[]): void {
    const theirs = new Map(positions.map(({ flow, received }) => [flow, received]))
    for (const flow of [...this.flows.values()]) {
      const received = theirs.get(flow.id)
      if (received !== undefined) flow.rewind(received)
      else if (flow.id > highest) {
        // Never seen there; or, at the server, opened over the old connection after the client had greeted on the new one.
        if (this.role === 'client') {
          if (!flow.untouched) throw protocolError('that it does not know a flow that it has answered')
          flow.reopen()
        } else flow.rewind(0)
      } else if (flow.settled) flow.settle()
      else flow.abandon('FLOW_RESET')
    }
    if (this.role === 'server') return
    // Flows that were over here before the answer came, but not before we had greeted.
    for (const id of theirs.keys()) {
      if (this.find(id) === undefined) this.outside.outbox.control(resetFrame(id, 'FLOW_RESET'))
    }
  }

  /** The session is over. */
  abandon(code: ErrorCode): void {
    this.#soonTimer?.cancel()
    for (const flow of [...this.flows.values()]) flow.abandon(code)
    this.flows.clear()
  }

  get #full(): boolean {
    return this.flows.size >= this.outside.limits.tcpFlows
  }

  #add(id: number, map: number): TcpFlow {
    this.#highest = id
    const flow = new TcpFlow(id, map, this.#carrier, this.outside.limits)
    this.flows.set(id, flow)
    return flow
  }

  #tellSoon(): void {
    this.#soonTimer = null
    for (let flow = this.#soon.take(); flow; flow = this.#soon.take()) {
      if (this.outside.connected()) this.outside.outbox.windowDue(flow)
    }
    this.outside.flush()
  }
}
