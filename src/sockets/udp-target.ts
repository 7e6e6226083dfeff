/**
 * The socket of one UDP flow towards its target, with a port of its own:
 *
 *             send                       connected
 *     CLOSED -------> look-up, connecting ---------> OPEN
 *        ^                    |                        |
 *        +--------------------+------------------------+  no address, no route
 *
 * What is sent before it is open waits, within a budget that all flows of the guest's session share. When an address refuses, the next one of the
 * name is tried at once; when all have, or the target falls silent, the name is looked up again, at a limited rate. An address that is
 * silent because there is no computer counts as one that refuses.
 */
import dgram from 'node:dgram'
import net from 'node:net'
import { codeOf } from '../errors.js'
import { type Limits, UDP_RETRY_MS } from '../limits.js'
import type { Budget } from '../util/budget.js'
import type { HostResolver } from './host-resolver.js'
import type { SocketUsage } from './socket-usage.js'
import { growBuffers, literalLookup } from './udp.js'

/** Datagrams of one flow that wait for its socket. */
const MAX_WAITING = 64

/**
 * With these a connected socket fails once its own address has left this machine, and goes on to fail when another has come: it keeps
 * the address that it was connected with.
 */
const UNROUTED: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EINVAL'
])

const REFUSED = 'ECONNREFUSED'

/** Largest payload that is kept to be sent again. */
const MAX_REPEATED = 1500

const NOTHING = new Uint8Array(0)

export interface UdpTargetDeps {
  readonly resolver: HostResolver
  readonly port: number
  /** What waits for the addresses of targets, of all flows of the guest's session. */
  readonly waiting: Budget
  readonly limits: Pick<Limits, 'targetSilentMs'>
  /** An IPv4 address of this machine to send from; where it is none, `onerror` is told, and the system chooses one. */
  readonly from?: string | undefined
  /** Counts the descriptor; null when there is none left. */
  readonly openSocket?: (end: () => void) => SocketUsage | null
  /** The target's answers; the buffer may be kept. */
  readonly onmessage: (payload: Uint8Array) => void
  /** Called for each failure: the target's port is closed, its name is unknown, .. */
  readonly onerror: (err: unknown) => void
  /** There is no descriptor, or the socket was closed for want of one. */
  readonly onended?: () => void
}

export class UdpTarget {
  readonly #deps: UdpTargetDeps
  #socket: dgram.Socket | null = null
  /** Where the socket is connected. */
  #address = ''
  #opening = false
  #waiting: Uint8Array[] = []
  /** The last payload, until something has come back: it is sent again if the address refuses it. */
  #unanswered: Uint8Array | null = null
  /** Addresses that have refused since one answered, or since the name was looked up again. */
  readonly #refused = new Set<string>()
  /** When a socket may be opened again, and the name be looked up again, ms. */
  #retryAt = Number.NEGATIVE_INFINITY
  /** When the target was first sent something that it has not answered, ms; Infinity when it has. */
  #silentSince = Number.POSITIVE_INFINITY
  #closed = false

  constructor(deps: UdpTargetDeps) {
    this.#deps = deps
  }

  send(payload: Uint8Array): void {
    if (this.#closed) return
    if (this.#socket) {
      this.#transmit(payload)
      return this.#checkSilence()
    }
    if (!this.#opening && performance.now() < this.#retryAt) return
    this.#wait(payload)
    if (!this.#opening) void this.#open()
  }

  close(): void {
    this.#closed = true
    this.#takeWaiting()
    this.#shut()
  }

  #wait(payload: Uint8Array): void {
    if (this.#waiting.length >= MAX_WAITING || !this.#deps.waiting.borrow(payload.byteLength)) return
    this.#waiting.push(Buffer.from(payload))
  }

  #takeWaiting(): Uint8Array[] {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { byteLength } of waiting) this.#deps.waiting.giveBack(byteLength)
    return waiting
  }

  #transmit(payload: Uint8Array): void {
    if (this.#silentSince === Number.POSITIVE_INFINITY) this.#silentSince = performance.now()
    if (this.#unanswered && payload.byteLength <= MAX_REPEATED) this.#unanswered = Buffer.from(payload)
    this.#socket?.send(payload, this.#sent)
  }

  // Without it, such a failure would be lost.
  readonly #sent = (err: Error | null): void => void (err && !this.#closed && this.#failed(err))

  async #open(): Promise<void> {
    const { resolver, onerror } = this.#deps
    this.#opening = true
    this.#retryAt = performance.now() + UDP_RETRY_MS
    try {
      let failure: unknown
      for (const address of await resolver.addresses()) {
        if (this.#closed) return
        try {
          return await this.#connect(address)
        } catch (err) {
          // What is wrong with this address may not be wrong with the next.
          resolver.failed(address)
          failure = err
        }
      }
      throw failure
    } catch (err) {
      this.#takeWaiting()
      if (!this.#closed) onerror(err)
    } finally {
      this.#opening = false
    }
  }

  async #connect(address: string): Promise<void> {
    const { resolver, port, from, onmessage, onerror, openSocket, onended } = this.#deps
    const usage = openSocket?.(() => {
      this.close()
      onended?.()
    })
    if (usage === null) {
      this.close()
      return onended?.()
    }
    const socket = dgram.createSocket({ type: net.isIPv6(address) ? 'udp6' : 'udp4', lookup: literalLookup })
    socket.once('close', () => usage?.close())
    try {
      if (from !== undefined && !net.isIPv6(address)) {
        const bound = settled(socket, done =>
          socket.bind({ address: from, port: 0, exclusive: true }, () => done())
        )
        await bound.catch(onerror)
      }
      await settled(socket, done => socket.connect(port, address, done))
      growBuffers(socket)
    } catch (err) {
      socket.close()
      throw err
    }
    if (this.#closed) return void socket.close()
    this.#socket = socket
    this.#address = address
    this.#unanswered = resolver.isName ? NOTHING : null
    this.#silentSince = Number.POSITIVE_INFINITY
    socket.on('error', err => this.#failed(err))
    socket.on('message', payload => {
      if (this.#unanswered) this.#answered(address)
      this.#silentSince = Number.POSITIVE_INFINITY
      onmessage(payload)
    })
    for (const payload of this.#takeWaiting()) this.#transmit(payload)
  }

  #answered(address: string): void {
    this.#unanswered = null
    this.#refused.clear()
    this.#deps.resolver.answered(address)
  }

  #failed(err: Error): void {
    const { resolver, onerror } = this.#deps
    const code = codeOf(err)
    const isLost = UNROUTED.has(code)
    if (!this.#socket || (!isLost && !(code === REFUSED && resolver.isName))) return onerror(err)
    if (resolver.isName) {
      resolver.failed(this.#address)
      this.#refused.add(this.#address)
      const other = resolver.known?.find(address => !this.#refused.has(address))
      if (other !== undefined) return this.#move()
    }
    onerror(err)
    // The socket of an address that is gone fails on; one that is only refused may be answered the next time.
    if (isLost) this.#shut()
    else this.#lookUpAgain(found => found[0] !== this.#address)
  }

  /** A target that is sent to and does not answer may have moved, or be off. */
  #checkSilence(): void {
    const { resolver, limits } = this.#deps
    const now = performance.now()
    if (now - this.#silentSince < limits.targetSilentMs) return
    this.#silentSince = now
    const socket = this.#socket
    const address = this.#address
    void resolver.unrouted().then(unrouted => {
      if (this.#closed || this.#socket !== socket) return
      const err = unrouted.get(address)
      if (err) this.#failed(err)
      // Many protocols have no answers, so the address is given up only if the name no longer has it.
      else if (resolver.isName) this.#lookUpAgain(found => !found.includes(address))
    })
  }

  /** Looks the name up again, at a limited rate, and leaves the address if `leaves` says so of those that were found. */
  #lookUpAgain(leaves: (found: readonly string[]) => boolean): void {
    const socket = this.#socket
    const now = performance.now()
    if (now < this.#retryAt) return
    this.#retryAt = now + UDP_RETRY_MS
    this.#refused.clear()
    this.#deps.resolver.addresses(true).then(
      found => {
        if (!this.#closed && this.#socket === socket && leaves(found)) this.#move()
      },
      () => {}
    )
  }

  /** Goes on at the name's next address, with the payload that the last one did not take. */
  #move(): void {
    const lost = this.#unanswered
    this.#shut()
    if (lost && lost.byteLength > 0) this.#wait(lost)
    if (!this.#opening) void this.#open()
  }

  #shut(): void {
    this.#socket?.close()
    this.#socket = null
  }
}

/** Waits for one step of a socket. Binding fails with an event, connecting with an argument. */
function settled(socket: dgram.Socket, begin: (done: (err?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (err?: Error): void => {
      socket.off('error', done)
      if (err) reject(err)
      else resolve()
    }
    socket.on('error', done)
    begin(done)
  })
}
