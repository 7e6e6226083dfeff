/**
 * Decides what the ordered stream carries next. Control frames go first; then flows in deficit round robin with a first
 * turn for those that have just become ready (as in FQ-CoDel, RFC 8290, section 4.2), so that a keystroke does not wait
 * behind a download. Nothing is built before the link has room: what waits, waits here, where order can still change.
 */
import type { TcpFlow } from '../flows/tcp.js'
import type { Limits } from '../limits.js'
import { dataHeaderSize, finFrame, windowFrame, writeDataHeader } from './frames.js'
import type { Link } from './link.js'

/** What a frame that waits takes besides its bytes: its object, and the rest of the buffer that it was written into. */
const FRAME_COST = 256

interface Turn {
  readonly flow: TcpFlow
  readonly size: number
}

export class Outbox {
  #control: Uint8Array[] = []
  #controlCost = 0
  readonly #windows = new Set<TcpFlow>()
  readonly #fresh = new Set<TcpFlow>()
  readonly #waiting = new Set<TcpFlow>()

  constructor(readonly limits: Pick<Limits, 'messageBytes' | 'quantum'>) {}

  /** Queues a control frame. */
  control(frame: Uint8Array): void {
    this.#control.push(frame)
    this.#controlCost += frame.byteLength + FRAME_COST
  }

  /** What the waiting control frames take of memory, bytes. */
  get controlCost(): number {
    return this.#controlCost
  }

  /** The flow has bytes or a FIN to send. */
  ready(flow: TcpFlow): void {
    if (!this.#waiting.has(flow)) this.#fresh.add(flow)
  }

  /** The flow's window is to be told. */
  windowDue(flow: TcpFlow): void {
    this.#windows.add(flow)
  }

  forget(flow: TcpFlow): void {
    this.#windows.delete(flow)
    this.#fresh.delete(flow)
    this.#waiting.delete(flow)
  }

  /** The connection is gone: frames that repeat on resumption are dropped. */
  clear(): void {
    this.#control = []
    this.#controlCost = 0
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

  /** Writes messages while there is something to say and the link has room. */
  flush(link: Link): void {
    while (!this.empty) {
      const room = link.room()
      if (room <= 0) return
      this.#message(link, Math.min(Math.max(room, this.limits.quantum), this.limits.messageBytes))
    }
  }

  #message(link: Link, budget: number): void {
    let size = 0
    const frames: Uint8Array[] = []
    for (const frame of this.#control) {
      if (frames.length > 0 && size + frame.byteLength > budget) break
      frames.push(frame)
      size += frame.byteLength
      this.#controlCost -= frame.byteLength + FRAME_COST
    }
    this.#control.splice(0, frames.length)
    // A flow's bytes must not overtake its OPEN: while control frames wait, all else does.
    const all = this.#control.length === 0
    if (all) {
      for (const flow of this.#windows) {
        this.#windows.delete(flow)
        const { received, limit } = flow.takeWindow()
        const frame = windowFrame(flow.id, received, limit)
        frames.push(frame)
        size += frame.byteLength
      }
    }
    const turns = all ? this.#turns(budget) : []
    const fins: Uint8Array[] = []
    for (const { flow, size: bytes } of turns) {
      if (bytes > 0) size += dataHeaderSize(flow.id, flow.nextOffset, bytes) + bytes
    }

    // Data is copied once, from the socket's buffer into the message.
    const fill = (out: Uint8Array, start: number): number => {
      let at = start
      for (const { flow, size: bytes } of turns) {
        if (bytes === 0) continue
        at = writeDataHeader(out, at, flow.id, flow.nextOffset, bytes)
        flow.fill(out, at, bytes)
        at += bytes
      }
      return at
    }

    if (size > 0) {
      const message = link.alloc(size)
      let at = 0
      for (const frame of frames) {
        message.set(frame, at)
        at += frame.byteLength
      }
      fill(message, at)
      link.write(message)
    }

    for (const { flow } of turns) {
      if (flow.finDue) fins.push(finFrame(flow.id, flow.takeFin()))
      if (flow.sendable > 0 && !this.#fresh.has(flow)) this.#waiting.add(flow)
    }
    for (const fin of fins) this.control(fin)
  }

  /** Whose bytes go into the next message, and how many. Takes those flows off their lists. */
  #turns(budget: number): Turn[] {
    const turns: Turn[] = []
    let left = budget
    for (const list of [this.#fresh, this.#waiting]) {
      for (const flow of list) {
        if (left <= 0) return turns
        list.delete(flow)
        const sendable = Math.max(0, flow.sendable)
        if (sendable === 0 && !flow.finDue) continue
        const alone = this.#fresh.size + this.#waiting.size === 0
        const size = Math.min(sendable, left, alone ? left : this.limits.quantum)
        turns.push({ flow, size })
        left -= size
      }
    }
    return turns
  }
}
