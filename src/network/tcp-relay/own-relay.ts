/** The relay by TCP in this process, through which guests reach its own servers. Its HTTP server is loaded when it starts. */
import { OWN_RELAY_RATES, TCP_RELAY_LIMITS } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { TcpOptions } from '../../options/entry.js'
import { systemClock } from '../../util/clock.js'
import { Shaper } from '../shaper.js'
import type { Endpoint } from './endpoint.js'
import { relayAddress } from './relay-address.js'

const LOOPBACK = '127.0.0.1'

export class OwnRelay {
  #endpoint: Endpoint | null = null
  #starting: Promise<void> | null = null
  #closed = false

  /** @param dhtPort the UDP port of the DHT node, which its guests' packets go to */
  constructor(
    readonly options: TcpOptions,
    readonly dhtPort: () => number,
    readonly log: Log
  ) {}

  /**
   * Listens, if it does not yet.
   * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED, ADDRESS_NOT_HERE, CERTIFICATE_UNUSABLE
   */
  listen(): Promise<void> {
    this.#starting ??= this.#start()
    const starting = this.#starting
    return starting.catch(err => {
      // The next server tries again: the port may be free by then.
      if (this.#starting === starting) this.#starting = null
      throw err
    })
  }

  async #start(): Promise<void> {
    const { port, host, address, tls } = this.options
    const { Endpoint } = await import('./endpoint.js')
    if (this.#closed) return
    const token = address === undefined ? '' : relayAddress(address).token
    const endpoint = new Endpoint({
      port,
      host,
      tls,
      tokens: token === '' ? [] : [token],
      uplink: {
        bindHost: LOOPBACK,
        to: { server: () => ({ host: LOOPBACK, port: this.dhtPort() }) }
      },
      shaper: new Shaper(systemClock, OWN_RELAY_RATES),
      clock: systemClock,
      limits: TCP_RELAY_LIMITS,
      log: this.log
    })
    this.#endpoint = endpoint
    try {
      await endpoint.start()
    } catch (err) {
      this.#endpoint = null
      throw err
    }
  }

  /** The address of the guest whose packets come from this UDP address; null when they do not come through the relay. */
  clientAt(host: string | null, port: number): string | null {
    return host === LOOPBACK ? (this.#endpoint?.clientOf(port) ?? null) : null
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#endpoint?.close()
  }
}
