/** All flows of a session, over the ordered stream and over the ARQ. */
import type { ErrorCode } from '../errors.js'
import type { TcpFlow } from '../flows/tcp.js'
import { TcpFlows, type TcpFlowsDeps } from '../flows/tcp-flows.js'
import type { TcpudpFlow } from '../flows/tcpudp.js'
import { TcpudpFlows, type TcpudpFlowsDeps } from '../flows/tcpudp-flows.js'
import type { Limits } from '../limits.js'
import { Budget, type PeerBudgets } from '../util/budget.js'
import type { Traffic } from './traffic.js'

export interface SessionFlowsDeps {
  readonly limits: Limits
  /** Budgets that all sessions of the peer share; left out: it has none. */
  readonly budgets?: PeerBudgets
  /** Counters, to which those of each flow are added at its end. */
  readonly traffic: Traffic
  /** What the flows of each kind need besides. */
  readonly tcp: Omit<TcpFlowsDeps, 'limits' | 'budgets' | 'windows' | 'done'>
  readonly tcpudp: Omit<TcpudpFlowsDeps, 'limits' | 'budgets' | 'windows' | 'done'>
}

export class SessionFlows {
  readonly tcp: TcpFlows
  readonly tcpudp: TcpudpFlows
  /** Window beyond the first that all flows share. */
  readonly windows: Budget
  readonly #traffic: Traffic

  constructor(role: 'client' | 'server', { tcp, tcpudp, traffic, ...deps }: SessionFlowsDeps) {
    this.#traffic = traffic
    this.windows = new Budget(deps.limits.sessionWindow, deps.budgets?.windows)
    const shared = { ...deps, windows: this.windows }
    this.tcp = new TcpFlows(role, { ...tcp, ...shared, done: flow => traffic.addTcp(flow) })
    this.tcpudp = new TcpudpFlows(role, { ...tcpudp, ...shared, done: flow => traffic.addTcpudp(flow) })
  }

  /** TCP connections, by either protocol, that are not over. */
  open(): (TcpFlow | TcpudpFlow)[] {
    return [
      ...this.tcp.flows.values(),
      ...[...this.tcpudp.flows.values()].filter(flow => !this.tcpudp.lingers(flow))
    ]
  }

  /** Resets flows on both sides. */
  reset(code: ErrorCode, which: (flow: Pick<TcpFlow | TcpudpFlow, 'map' | 'openedAt'>) => boolean): void {
    for (const flow of this.open()) {
      if (!which(flow)) continue
      const { events } = flow
      flow.reset(code)
      events.reset(code)
    }
  }

  /** The session is over. */
  abandon(code: ErrorCode): void {
    this.tcp.abandon(code)
    this.tcpudp.abandon(code)
  }

  /** The session's counters so far, those of open flows included, as a copy. */
  totals(): Traffic {
    const totals = this.#traffic.copy()
    for (const flow of this.tcp.flows.values()) totals.addTcp(flow)
    for (const flow of this.tcpudp.flows.values()) totals.addTcpudp(flow)
    return totals
  }

  /** Bytes that wait to be sent or acknowledged. */
  get keptBytes(): number {
    return this.tcp.kept.used + this.tcpudp.queue.used
  }

  /** Memory of bytes that have arrived over the ARQ and were not consumed, with the gaps between, bytes. */
  get windowBytes(): number {
    let bytes = 0
    for (const flow of this.tcpudp.flows.values()) bytes += flow.windowBytes
    return bytes
  }
}
