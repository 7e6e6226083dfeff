/** The one DHT node of this process: announces servers, dials them. */
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import { codeOf, HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log.js'
import type { NetworkOptions } from '../options/entry.js'
import { createSecretStream, StreamLink } from './stream-link.js'

/** A server that is announced. */
export interface Announcement {
  close(): Promise<void>
}

/** Why a dial failed, in hyperdht's words and ours. */
const UNREACHABLE = new HyperNatError(
  'SERVER_UNREACHABLE',
  'The server was found but no packet gets through to it: both routers may be of the kind that cannot be punched.'
)
const NOT_FOUND = new HyperNatError(
  'SERVER_NOT_FOUND',
  'No server with this public key is on the network: is hyper-nat running there, and is the key right?'
)
/** No node of the DHT answers. */
export const OFFLINE = new HyperNatError(
  'DHT_UNREACHABLE',
  'No node of the network answers: check the internet connection, and that UDP is not blocked.'
)

const DIAL_ERRORS: Readonly<Record<string, HyperNatError>> = {
  PEER_NOT_FOUND: NOT_FOUND,
  PEER_CONNECTION_FAILED: NOT_FOUND
}

export class Node {
  readonly #dht: HyperDHT
  readonly #limits: Limits
  readonly #log: Log
  readonly #links = new Set<StreamLink>()

  /** @param keyPair the key that servers see of this machine's clients */
  constructor(network: NetworkOptions, limits: Limits, log: Log) {
    this.#limits = limits
    this.#log = log
    this.#dht = new HyperDHT({
      ...(network.bootstrap && { bootstrap: network.bootstrap }),
      // The session's own pings keep the path open, and notice silence sooner.
      connectionKeepAlive: false
    })
  }

  /** Where this node listens. */
  get port(): number {
    return this.#dht.port
  }

  /**
   * Announces a server and hands over each connection to it. Resolves when it can be found, or when no node of the network
   * has answered; then it goes on trying.
   * @param onreach hears whether the network is reached: false when it was not, true when it is after all
   */
  async announce(
    keyPair: HyperDHT.KeyPair,
    onlink: (link: StreamLink) => void,
    onreach: (reached: boolean) => void
  ): Promise<Announcement> {
    const server = this.#dht.createServer({ createSecretStream }, stream => {
      stream.on('error', noop)
      this.#whenOpen(stream, onlink)
    })
    await server.listen(keyPair)
    let retry: NodeJS.Timeout | undefined
    const check = (): void => {
      // The nodes that took the announcement; none when none answered.
      const reached = server.relayAddresses.length > 0
      if (reached && retry) onreach(true)
      if (reached) return
      if (!retry) onreach(false)
      server.refresh()
      retry = setTimeout(check, this.#limits.announceRetryMs)
    }
    check()
    return {
      close: async () => {
        clearTimeout(retry)
        await server.close()
      }
    }
  }

  #whenOpen(stream: SecretStream, onlink: (link: StreamLink) => void): void {
    stream.once('open', () => {
      const link = new StreamLink(stream, this.#limits)
      this.#links.add(link)
      link.closed.then(() => this.#links.delete(link))
      onlink(link)
    })
  }

  /**
   * Dials the server whose announced key is `key`. Calls `done` once, with a link, or with why there is none.
   * @returns a function that gives up
   */
  dial(
    key: Uint8Array,
    keyPair: HyperDHT.KeyPair,
    done: (result: StreamLink | HyperNatError) => void
  ): () => void {
    let settled = false
    const settle = (result: StreamLink | HyperNatError): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      done(result)
    }
    const stream = this.#dht.connect(key, { keyPair, createSecretStream })
    const timer = setTimeout(() => {
      settle(UNREACHABLE)
      stream.destroy()
    }, this.#limits.dialMs)
    this.#whenOpen(stream, link => (settled ? link.destroy() : settle(link)))
    stream.on('error', (err: unknown) => {
      if (settled) return
      const code = codeOf(err)
      this.#log.debug({ code }, 'dial failed')
      settle(DIAL_ERRORS[code] ?? UNREACHABLE)
    })
    stream.on('close', () => settle(UNREACHABLE))
    return () => {
      settled = true
      clearTimeout(timer)
      stream.destroy()
    }
  }

  /** Ends every connection and leaves the DHT. */
  async close(): Promise<void> {
    await Promise.all([...this.#links].map(link => link.closed))
    await this.#dht.destroy()
  }
}

function noop(): void {}
