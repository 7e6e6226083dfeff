/** Flow table of the ordered stream: flow numbers, reconciliation after a reconnect, and shared budgets. */

import { type ErrorCode, HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import { Budget, type PeerBudgets } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { Queue } from '../util/queue.js'
import { protocolError } from '../wire/bytes.js'
import { resetFrame } from '../wire/frames.js'
import type { FlowPosition } from '../wire/handshake.js'
import type { SendScheduler } from './send-scheduler.js'
import { type TcpCarrier, TcpFlow, type TcpLimits } from './tcp.js'

export interface TcpFlowsDeps {
  readonly clock: Clock
  readonly limits: TcpLimits & Pick<Limits, 'tcpFlows' | 'sessionWindow' | 'ackDelayMs'>
  /** The session's budget for receive windows. */
  readonly windows: Budget
  /** Budgets that the session shares with others of its peer. */
  readonly budgets?: PeerBudgets
  /** Decides what the stream carries next. */
  readonly scheduler: SendScheduler
  /** Whether there is a connection. */
  connected(): boolean
  /** Sends what the scheduler has queued, as far as there is room. */
  flush(): void
  /** Resets a flow that the peer opened and we do not have. */
  refuse(id: number, code: ErrorCode): void
  /** The client opened a flow (server only); returns an error code to refuse it. */
  open(flow: TcpFlow): ErrorCode | null
  /** A flow is thin: it carries a game or an interactive session. */
  thin(): void
  /** A flow was removed. */
  done(flow: TcpFlow): void
}

export class TcpFlows {
  readonly flows = new Map<number, TcpFlow>()
  /** Bytes that wait to be sent or acknowledged. */
  readonly kept: Budget
  readonly #carrier: TcpCarrier
  /** Flows whose window update may be delayed until the timer fires. */
  readonly #soon = new Queue<TcpFlow>()
  /** Armed by the first of them. */
  #soonTimer: Timer | null = null
  #highest = 0

  constructor(
    readonly role: 'client' | 'server',
    readonly outside: TcpFlowsDeps
  ) {
    const { clock, limits, scheduler, windows } = outside
    // The other side lends its flows no more than this either, beyond what each has at first.
    this.kept = new Budget(limits.sessionWindow, outside.budgets?.kept)
    this.#carrier = {
      // The peer's windows are bounded by the same budget.
      kept: this.kept,
      ready: flow => {
        scheduler.ready(flow)
        outside.flush()
      },
      windowDue: flow => {
        this.#soon.delete(flow.soonTurn)
        if (!outside.connected()) return
        scheduler.windowDue(flow)
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
        scheduler.forget(flow)
      },
      thin: () => outside.thin(),
      now: () => clock.now()
    }
  }

  /** The highest flow number known to have been opened by the client; 0 for none. */
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

  /** The client opened a flow; `limit` is its initial window. */
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

  /** The flow of a frame; undefined for one that is already over, whose last frames were still in flight. */
  find(id: number): TcpFlow | undefined {
    const flow = this.flows.get(id)
    if (!flow && (id === 0 || id > this.#highest))
      throw protocolError('a frame for a flow that was never opened')
    return flow
  }

  /** How far this side has received each flow, for the handshake of a resumption. */
  positions(): FlowPosition[] {
    return [...this.flows.values()].map(flow => ({ flow: flow.id, received: flow.position }))
  }

  /**
   * Compares both sides' flows after a reconnect and continues those that both know.
   * @param highest the highest flow that the peer knows was opened
   * @param positions how far the peer has received each flow
   */
  reconcile(highest: number, positions: readonly FlowPosition[]): void {
    const theirs = new Map(positions.map(({ flow, received }) => [flow, received]))
    for (const flow of [...this.flows.values()]) {
      const received = theirs.get(flow.id)
      if (received !== undefined) flow.rewind(received)
      else if (flow.id > highest) {
        // The peer never saw it; or, at the server, it was opened over the old connection after the HELLO on the new one.
        if (this.role === 'client') {
          if (!flow.untouched) throw protocolError('that it does not know a flow that it has answered')
          flow.reopen()
        } else flow.rewind(0)
      } else if (flow.settled) flow.settle()
      else flow.abandon('FLOW_RESET')
    }
    if (this.role === 'server') return
    // Flows that ended here between our HELLO and the answer.
    for (const id of theirs.keys()) {
      if (this.find(id) === undefined) this.outside.scheduler.control(resetFrame(id, 'FLOW_RESET'))
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
      if (this.outside.connected()) this.outside.scheduler.windowDue(flow)
    }
    this.outside.flush()
  }
}
