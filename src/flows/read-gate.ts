import type { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { Queue, type QueueNode } from '../util/queue.js'

/** What a socket reads at once, bytes: Node's size, whatever the flow has room for. */
export const READ_BYTES = 64 * 1024

/** While there is no room, one flow starts each so many ms: stalled readers hold up nobody else for good. */
const STARVED_MS = 100

/** But not beyond so many bytes more than the session may keep. */
const OVERDRAFT_BYTES = 4 * 1024 * 1024

/** A flow whose socket has not been read yet. */
export interface UnreadFlow {
  /** Its place in the gate. */
  readonly startTurn: QueueNode<UnreadFlow>
  /** The socket may be read now, for {@link READ_BYTES} bytes that have been charged. */
  startReading(): void
}

/**
 * Holds back the first read of new flows while their session keeps all that it may. Each would bring up to 64 kB that nobody can
 * refuse any more, and a guest who acknowledges nothing can open flows by the thousand. What is acknowledged lets them in first,
 * in their order, before flows that have been read already go on.
 */
export class ReadGate {
  readonly #waiting = new Queue<UnreadFlow>()
  /** Armed while flows wait. */
  #timer: Timer | null = null

  /** @param kept what the flows of the session keep until it is acknowledged */
  constructor(
    readonly kept: Budget,
    readonly clock: Clock
  ) {}

  /** The flow's socket can be read: at once, or when there is room. */
  enter(flow: UnreadFlow): void {
    this.#waiting.add(flow.startTurn)
    this.open()
  }

  /** The flow is over, or has been written to without being asked. */
  leave(flow: UnreadFlow): void {
    this.#waiting.delete(flow.startTurn)
    if (this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  /** Something may have been acknowledged: as many flows start as there is room for. */
  open(): void {
    while (this.#waiting.size > 0 && this.kept.free > 0) this.#start()
    if (this.#waiting.size > 0) this.#timer ??= this.clock.after(STARVED_MS, this.#onTimer)
  }

  #start(): void {
    this.kept.charge(READ_BYTES)
    this.#waiting.take()?.startReading()
  }

  readonly #onTimer = (): void => {
    this.#timer = null
    if (this.#waiting.size === 0) return
    if (this.kept.overdraft < OVERDRAFT_BYTES) this.#start()
    this.open()
  }
}
