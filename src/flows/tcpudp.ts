/** A `tcpudp` flow: one TCP connection carried by an ARQ of its own over the session's datagrams. */
import b4a from 'b4a'
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { QueueNode } from '../util/queue.js'
import { closeCode, closeNumber } from '../wire/constants.js'
import { Arq, type ArqHost, RESET_PROTOCOL, RESET_SESSION_FIRST } from './arq/index.js'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from './byte-flow.js'
import type { FlowTrace } from './flow-trace.js'
import { ThinDetector, type ThinLimits } from './thin-detector.js'

/** What a flow asks of the others on its session. */
export interface TcpudpCarrier {
  readonly clock: Clock
  readonly limits: ThinLimits & Pick<Limits, 'flowWindow' | 'resetMs'>
  readonly random: () => number
  /** What the session's flows share for bytes on their way out, and for windows. */
  readonly queue: Budget
  readonly windows: Budget
  /** What flows of the peer share for bytes behind gaps; left out: there is no bound. */
  readonly gaps?: Budget
  /** Largest segment for this flow now, bytes. */
  segmentSize(flow: number): number
  /** Round trip of the path, ms, if it is known. */
  rtt(): number | null
  /** Its least round trip of late, ms, if it is known. */
  minRtt(): number | null
  /** Sends one segment, valid during the call. */
  send(flow: number, segment: Uint8Array): void
  /** The flow is to be brought up to date at the end of this turn. */
  touch(flow: TcpudpFlow): void
  /** Makes the trace of a flow; left out: nothing is traced. */
  trace?(flow: number): FlowTrace
  /** The flow is thin, and carries something. */
  thin(): void
  /** The flow is over, but lingers a while for a peer that missed the last acknowledgement. */
  lingers(flow: TcpudpFlow): void
  /** The flow can be forgotten. */
  done(flow: TcpudpFlow): void
}

export class TcpudpFlow implements ByteFlow {
  events: ByteFlowEvents = ignoreEvents
  /** Where it waits to be brought up to date. */
  readonly turn = new QueueNode<TcpudpFlow>(this)
  /** When it was made, ms, by the session's clock. */
  readonly openedAt: number
  readonly #arq: Arq
  readonly #thin: ThinDetector
  readonly #trace: FlowTrace | undefined
  #timer: Timer | null = null
  #timerAt = Number.POSITIVE_INFINITY
  /** What the ARQ has not taken yet of the socket's last chunk. */
  #rest: Uint8Array | null = null
  #ending = false
  #ended = false
  #resetting: ErrorCode | null = null
  #patience: Timer | null = null
  #lingers = false
  #done = false

  /** @param open what the server needs to open the flow; left out on the server's side */
  constructor(
    readonly id: number,
    readonly map: number,
    readonly carrier: TcpudpCarrier,
    open?: Uint8Array
  ) {
    const host: ArqHost = {
      output: segment => carrier.send(id, segment),
      readable: () => this.#read(),
      writable: () => this.#writeRest(),
      reset: code => this.#onReset(code),
      endedHere: () => this.events.finish?.(),
      done: () => {
        carrier.lingers(this)
        this.#lingers = true
        // All has been handed over, and the end. The socket is not kept while the flow lingers, nor reset if the session ends.
        const { events } = this
        this.events = ignoreEvents
        events.close()
      },
      forget: () => this.#forget()
    }
    this.openedAt = carrier.clock.now()
    const rtt = carrier.rtt()
    const leastRtt = carrier.minRtt()
    this.#arq = new Arq(host, {
      mtu: carrier.segmentSize(id),
      now: this.openedAt,
      random: carrier.random,
      sendBuffer: carrier.limits.flowWindow,
      receiveWindow: carrier.limits.flowWindow,
      queue: carrier.queue,
      windows: carrier.windows,
      ...(carrier.gaps && { gaps: carrier.gaps }),
      ...(open && { open }),
      ...(rtt !== null && { rtt }),
      ...(leastRtt !== null && { leastRtt })
    })
    this.#thin = new ThinDetector(carrier.limits, () => carrier.thin())
    this.#trace = carrier.trace?.(id)
    carrier.touch(this)
  }

  get stats() {
    return this.#arq.stats
  }

  /** Bytes that wait to be sent or acknowledged. */
  get unacknowledged(): number {
    return this.#arq.unacknowledged
  }

  /** Memory of what has arrived and was not consumed, with the gaps between, bytes. */
  get windowBytes(): number {
    return this.#arq.inboxBytes
  }

  /** Whether more would be in flight if it were not for the cap. */
  get atCwndCap(): boolean {
    return this.#arq.limitedByCap
  }

  /** Bounds what is in flight, in addition to congestion control; Infinity: no bound. */
  setCwndCap(bytes: number): void {
    this.#arq.capWindow(bytes)
  }

  // --- the local socket's side ---

  write(bytes: Uint8Array): boolean {
    if (this.#done || this.#ending || this.#resetting || bytes.byteLength === 0) return true
    if (this.#rest !== null) {
      // The socket had more to say after it was asked to pause.
      this.#keepRest(b4a.concat([this.#rest, bytes]))
      return false
    }
    const now = this.carrier.clock.now()
    this.#thin.add(bytes.byteLength, now)
    const taken = this.#arq.write(bytes, now)
    if (taken < bytes.byteLength) this.#keepRest(bytes.subarray(taken))
    this.#arm()
    return this.#rest === null
  }

  #keepRest(rest: Uint8Array | null): void {
    this.carrier.queue.giveBack(this.#rest?.byteLength ?? 0)
    this.carrier.queue.charge(rest?.byteLength ?? 0)
    this.#rest = rest
  }

  end(): void {
    if (this.#done || this.#ending || this.#resetting) return
    this.#ending = true
    if (this.#rest === null) this.#arq.end(this.carrier.clock.now())
    this.#arm()
  }

  reset(code: ErrorCode): void {
    if (this.#done || this.#resetting) return
    this.events = ignoreEvents
    this.#resetting = code
    this.#patience = this.carrier.clock.after(this.carrier.limits.resetMs, () => this.#resetNow())
    this.#resetBehindBytes()
  }

  /** A reset waits until what was written before it has arrived. */
  #resetBehindBytes(): void {
    if (this.#resetting && this.#rest === null && this.#arq.unacknowledged === 0) this.#resetNow()
    else this.#arm()
  }

  #resetNow(): void {
    this.#patience?.cancel()
    this.#keepRest(null)
    if (this.#done) return
    this.#arq.reset(closeNumber(this.#resetting!), this.carrier.clock.now())
    this.#arm()
  }

  consumed(size: number): void {
    if (this.#done) return
    this.#arq.consumed(size, this.carrier.clock.now())
    this.#arm()
  }

  // --- the session's side ---

  /** A segment came. One that breaks the protocol ends this flow only: it may be an old one's, or garbage. */
  input(segment: Uint8Array): void {
    if (this.#done) return
    try {
      this.#arq.input(segment, this.carrier.clock.now())
      this.carrier.touch(this)
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const { events } = this
      this.#arq.reset(RESET_PROTOCOL, this.carrier.clock.now())
      this.#arm()
      this.events = ignoreEvents
      events.reset('PROTOCOL_ERROR')
    }
  }

  /** The turn's segments have all been given: timers run, and what may be sent is sent. */
  update(): void {
    if (this.#done) return
    const now = this.carrier.clock.now()
    this.#arq.update(now)
    this.#trace?.update(this.#arq.stats, now)
    this.#resetBehindBytes()
  }

  /** Datagrams of another size fit the path now. */
  resize(): void {
    this.#arq.setMtu(this.carrier.segmentSize(this.id))
  }

  /** There is no path. */
  suspend(): void {
    this.#arq.suspend(this.carrier.clock.now())
    this.#disarm()
  }

  /** There is another path. */
  rebind(): void {
    this.resize()
    this.#arq.rebind(this.carrier.clock.now())
    this.carrier.touch(this)
  }

  /** The path carries something again. */
  hurry(): void {
    this.#arq.hurry()
    this.carrier.touch(this)
  }

  /** The session is over. */
  abandon(code: ErrorCode): void {
    if (this.#done) return
    this.#read()
    const { events } = this
    this.#forget()
    // Gives back what it holds of the budgets that sessions share. Nothing is sent: there is no path.
    this.#arq.reset(closeNumber(code), this.carrier.clock.now())
    events.reset(code)
  }

  /** Ends the lingering before its time, unless the local socket has not taken all bytes yet. @returns whether it did */
  leave(): boolean {
    if (!this.#lingers || !this.#arq.drained) return false
    this.#forget()
    return true
  }

  // --- the ARQ's side ---

  #read(): void {
    for (;;) {
      const bytes = this.#arq.read()
      if (bytes === null) break
      this.#thin.add(bytes.byteLength, this.carrier.clock.now())
      this.events.data(bytes)
    }
    if (this.#arq.ended && !this.#ended) {
      this.#ended = true
      this.events.end()
    }
  }

  #writeRest(): void {
    if (this.#rest !== null) {
      const rest = this.#rest
      const taken = this.#arq.write(rest, this.carrier.clock.now())
      this.#keepRest(taken < rest.byteLength ? rest.subarray(taken) : null)
      if (this.#rest !== null) return
    }
    if (this.#resetting) return
    if (this.#ending) this.#arq.end(this.carrier.clock.now())
    else this.events.drain()
  }

  #onReset(code: number): void {
    const { events } = this
    this.events = ignoreEvents
    events.reset(code < RESET_SESSION_FIRST ? 'FLOW_RESET' : closeCode(code, 'FLOW_RESET'))
  }

  #forget(): void {
    if (this.#done) return
    this.#done = true
    this.events = ignoreEvents
    this.#keepRest(null)
    this.#patience?.cancel()
    this.#disarm()
    this.carrier.done(this)
  }

  /** One timer per flow, armed for when the ARQ wants to be called next; rearmed only for something earlier. */
  #arm(): void {
    if (this.#done) return
    const at = this.#arq.nextUpdate()
    if (at >= this.#timerAt || at === Number.POSITIVE_INFINITY) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.carrier.clock.after(Math.max(0, at - this.carrier.clock.now()), () => {
      this.#timer = null
      this.#timerAt = Number.POSITIVE_INFINITY
      this.update()
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#timerAt = Number.POSITIVE_INFINITY
  }
}
