/**
 * Receives what this machine's own programs send to the LAN: broadcasts on a port, or to a multicast group. It shares the port with
 * the sockets of games, and sends nothing.
 */
import dgram from 'node:dgram'
import { codeOf } from '../errors.js'
import type { DaemonEvent } from '../events.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import { isIPv4Loopback } from '../text/address.js'
import type { Clock, Timer } from '../util/clock.js'
import { type Addresses, ownAddresses } from './own-addresses.js'

export interface LanListenerParts {
  /** 1 to 65535. */
  readonly port: number
  /** The multicast group to join at every interface; left out: broadcasts. */
  readonly group?: string | undefined
  /** Senders to listen to besides this machine: literal addresses. */
  readonly others?: readonly string[]
  readonly clock: Clock
  readonly limits: Pick<Limits, 'lanLookMs'>
  readonly log: Log
  /** Another program has the port to itself, or the system refuses: reported once, and tried again. */
  readonly onbusy: (code: string) => void
  /** A datagram of one of this machine's programs; the buffer may be kept. */
  readonly onmessage: (payload: Uint8Array, from: dgram.RemoteInfo) => void
}

/** What its owner uses of a listener: the seam for tests. */
export type OpenLanListener = Pick<LanListener, 'open' | 'close'>

/** What the listeners for games have in common. */
export interface GameListenerDeps extends Pick<LanListenerParts, 'clock' | 'log'> {
  readonly limits: Pick<Limits, 'lanLookMs'>
  readonly emit: (event: DaemonEvent) => void
  /** Makes a listener. */
  readonly listener?: (parts: LanListenerParts) => OpenLanListener
}

/**
 * A listener for what a game sends to the LAN; to be opened.
 * @param busy the warning for when another program has the port to itself
 */
export function gameListener(
  { clock, limits, log, emit, listener = parts => new LanListener(parts) }: GameListenerDeps,
  parts: Pick<LanListenerParts, 'port' | 'group' | 'others' | 'onmessage'>,
  busy: (code: string) => string
): OpenLanListener {
  const onbusy = (code: string): void => emit({ event: 'warning', code: 'LOBBY_CLOSED', message: busy(code) })
  return listener({ ...parts, clock, limits, log, onbusy })
}

const ANY = '0.0.0.0'

export class LanListener {
  readonly #parts: LanListenerParts
  /** Addresses that were tried before. */
  readonly #known = new Set<string>()
  #socket: dgram.Socket | null = null
  #own: Addresses = new Map()
  #timer: Timer | null = null
  #told = false
  #closed = false

  constructor(parts: LanListenerParts) {
    this.#parts = parts
  }

  /** Opens it, if the port is to be had now; else later. Never rejects. */
  async open(): Promise<void> {
    await this.#look()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    const socket = this.#socket
    this.#socket = null
    if (socket) await new Promise<void>(resolve => socket.close(() => resolve()))
  }

  /** Interfaces come and go, and so do programs that keep the port to themselves. */
  async #look(): Promise<void> {
    const { clock, limits } = this.#parts
    this.#own = ownAddresses()
    if (!this.#socket) await this.#bind()
    if (this.#closed) return
    this.#join()
    this.#timer = clock.after(limits.lanLookMs, () => void this.#look())
  }

  async #bind(): Promise<void> {
    const { group, port, onbusy, log } = this.#parts
    // Bound to the group, it receives nothing else; Windows binds to addresses of its own only.
    const address = group !== undefined && process.platform !== 'win32' ? group : ANY
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind({ address, port, exclusive: true }, resolve)
      })
    } catch (err) {
      socket.close()
      log.debug({ port, code: codeOf(err) }, 'cannot listen to the LAN')
      if (!this.#told && !this.#closed) onbusy(codeOf(err))
      this.#told = true
      return
    }
    if (this.#closed) return void socket.close()
    socket.removeAllListeners('error')
    socket.on('error', err => log.debug({ port, code: codeOf(err) }, 'listening to the LAN'))
    socket.on('message', (payload, from) => {
      if (this.#hears(from.address)) this.#parts.onmessage(payload, from)
    })
    this.#socket = socket
    this.#known.clear()
    log.info({ port, group, interfaces: [...new Set(this.#own.values())] }, 'listening to the LAN')
  }

  #hears(address: string): boolean {
    return (
      isIPv4Loopback(address) || this.#own.has(address) || (this.#parts.others?.includes(address) ?? false)
    )
  }

  #join(): void {
    const { group, log } = this.#parts
    if (group === undefined || !this.#socket) return
    for (const address of this.#known) if (!this.#own.has(address)) this.#known.delete(address)
    for (const [address, name] of this.#own) {
      try {
        // Also where it was done before: an interface may have gone between two looks, and come back with its address.
        this.#socket.addMembership(group, address)
      } catch (err) {
        // Done already, two addresses of one interface, or one that knows no multicast.
        if (!this.#known.has(address))
          log.debug({ interface: name, code: codeOf(err) }, 'multicast group not joined')
      }
      this.#known.add(address)
    }
  }
}
