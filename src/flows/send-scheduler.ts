/**
 * Send scheduler of the ordered stream. Control frames go first, then flows in deficit round robin. A flow that has just become
 * ready gets its first turn before the others (as in FQ-CoDel, RFC 8290, section 4.2), so a keystroke does not wait behind a
 * download. A flow's OPEN, FIN and RESET travel with its bytes, which keeps the order in which two programs wrote where that is
 * possible. Messages are built only when the link has room, so priorities apply as late as possible.
 */

import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import { Queue } from '../util/queue.js'
import { INITIAL_WINDOW } from '../wire/constants.js'
import {
  dataHeaderSize,
  finFrame,
  openFrame,
  resetFrame,
  windowFrame,
  writeDataHeader
} from '../wire/frames.js'
import type { Link } from '../wire/link.js'
import type { Tail, TcpFlow } from './tcp.js'

/** Memory that a queued frame takes besides its bytes: its object and the rest of its buffer. */
const FRAME_COST = 256

/** One flow's part of a message. */
interface Turn {
  readonly flow: TcpFlow
  /** Its OPEN, if that has not been sent. */
  readonly open: Uint8Array | null
  /** Bytes of data. */
  readonly size: number
  readonly says: Tail
  /** The FIN or RESET frame behind the data. */
  readonly tail: Uint8Array | null
  /** Bytes of the whole turn in the message. */
  readonly cost: number
}

export class SendScheduler {
  #control: Uint8Array[] = []
  readonly #windows = new Queue<TcpFlow>()
  readonly #fresh = new Queue<TcpFlow>()
  readonly #waiting = new Queue<TcpFlow>()

  /** @param memory counts the queued control frames */
  constructor(
    readonly limits: Pick<Limits, 'messageBytes' | 'quantum'>,
    readonly memory = new Budget(Number.POSITIVE_INFINITY)
  ) {}

  /** Queues a control frame. */
  control(frame: Uint8Array): void {
    this.#control.push(frame)
    this.memory.charge(frame.byteLength + FRAME_COST)
  }

  /** Queues a flow that has something to send. */
  ready(flow: TcpFlow): void {
    if (!this.#waiting.has(flow.turn)) this.#fresh.add(flow.turn)
  }

  /** Queues a flow's window update. */
  windowDue(flow: TcpFlow): void {
    this.#windows.add(flow.windowTurn)
  }

  forget(flow: TcpFlow): void {
    this.#windows.delete(flow.windowTurn)
    this.#fresh.delete(flow.turn)
    this.#waiting.delete(flow.turn)
  }

  /** Drops everything queued, after a lost connection: resumption repeats what is needed. */
  clear(): void {
    this.#control = []
    this.memory.giveBack(this.memory.used)
    this.#windows.clear()
    this.#fresh.clear()
    this.#waiting.clear()
  }

  get empty(): boolean {
    return (
      this.#control.length === 0 &&
      this.#windows.size === 0 &&
      this.#fresh.size === 0 &&
      this.#waiting.size === 0
    )
  }

  /**
   * Writes messages while anything is queued and the link has room.
   * @param least bytes that a message may have, however little room there is
   * @returns whether anything is still queued
   */
  flush(link: Link, least = this.limits.quantum): boolean {
    while (!this.empty) {
      const room = link.room()
      if (room <= 0) return true
      this.#message(link, Math.min(Math.max(room, least), this.limits.messageBytes))
    }
    return false
  }

  #message(link: Link, budget: number): void {
    let size = 0
    const frames: Uint8Array[] = []
    for (const frame of this.#control) {
      if (frames.length > 0 && size + frame.byteLength > budget) break
      frames.push(frame)
      size += frame.byteLength
      this.memory.giveBack(frame.byteLength + FRAME_COST)
    }
    this.#control.splice(0, frames.length)
    while (size <= budget) {
      const flow = this.#windows.take()
      if (!flow) break
      const { received, limit } = flow.takeWindow()
      const frame = windowFrame(flow.id, received, limit)
      frames.push(frame)
      size += frame.byteLength
    }
    const turns = this.#turns(budget - size)
    for (const turn of turns) size += turn.cost
    if (size > 0) {
      const message = link.alloc(size)
      let at = 0
      for (const frame of frames) at = put(message, at, frame)
      // Data is copied once, from the socket's buffer into the message.
      for (const { flow, open, size: bytes, tail } of turns) {
        if (open) at = put(message, at, open)
        if (bytes > 0) {
          at = writeDataHeader(message, at, flow.id, flow.nextOffset, bytes)
          flow.fill(message, at, bytes)
          at += bytes
        }
        if (tail) at = put(message, at, tail)
      }
      link.write(message)
    }
    for (const { flow, open, tail, says } of turns) {
      if (open) flow.opened()
      if (tail) flow.tailSent(says)
      else if (flow.due && !this.#fresh.has(flow.turn)) this.#waiting.add(flow.turn)
    }
    for (const { flow } of turns) flow.filled()
  }

  /** Takes flows off their lists for the next message. */
  #turns(budget: number): Turn[] {
    const turns: Turn[] = []
    let left = budget
    for (const list of [this.#fresh, this.#waiting]) {
      while (left > 0) {
        const flow = list.take()
        if (!flow) break
        if (!flow.due) continue
        const alone = this.#fresh.size + this.#waiting.size === 0
        const turn = turnOf(flow, Math.min(left, alone ? left : this.limits.quantum))
        turns.push(turn)
        left -= turn.cost
      }
    }
    return turns
  }
}

/** The turn of a flow that may send up to `most` bytes. */
function turnOf(flow: TcpFlow, most: number): Turn {
  const { id, map, nextOffset } = flow
  const size = Math.min(Math.max(0, flow.sendable), most)
  const open = flow.openDue ? openFrame(id, map, INITIAL_WINDOW) : null
  const says = flow.tailAfter(size)
  let tail: Uint8Array | null = null
  if (says === 'fin') tail = finFrame(id, nextOffset + size)
  else if (says !== 'none') tail = resetFrame(id, says)
  const data = size > 0 ? dataHeaderSize(id, nextOffset, size) + size : 0
  return { flow, open, size, tail, says, cost: (open?.byteLength ?? 0) + data + (tail?.byteLength ?? 0) }
}

function put(out: Uint8Array, at: number, frame: Uint8Array): number {
  out.set(frame, at)
  return at + frame.byteLength
}
