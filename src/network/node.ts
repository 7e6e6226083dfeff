/** The one DHT node of this process: announces servers, looks for them, dials them. */
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { systemClock } from '../clock.js'
import { codeOf, type HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log.js'
import type { NetworkOptions } from '../options/entry.js'
import { Dht } from './dht.js'
import { dialError, OFFLINE } from './dial-errors.js'
import { createSecretStream, StreamLink } from './stream-link.js'
import { announceTopic, type Found, lookUpTopic } from './topic.js'

/** A server that is announced. */
export interface Announcement {
  close(): Promise<void>
}

/** hyperdht's code for two random NATs. */
const BOTH_RANDOM = 'HOLEPUNCH_DOUBLE_RANDOMIZED_NATS'

/** hyperdht tries ports at random for up to 35 s, and rests 20 s before it does so again. */
const RANDOM_PUNCH_REST_MS = 60_000

export class Node {
  readonly #dht: Dht
  /** True once it is known that others reach us unasked. */
  readonly #reach: Promise<boolean>
  readonly #starting: Promise<void>
  #started = false
  #lastRandomPunch = Number.NEGATIVE_INFINITY
  readonly #relays: readonly Uint8Array[]
  readonly #dialRelay: (() => Uint8Array | null) | undefined
  readonly #limits: Limits
  readonly #log: Log
  readonly #links = new Set<StreamLink>()

  /** @param keyPair the key that servers see of this machine's clients */
  constructor(network: NetworkOptions, limits: Limits, log: Log) {
    this.#limits = limits
    this.#log = log
    const options = {
      ...(network.bootstrap && { bootstrap: network.bootstrap }),
      // The session's own pings keep the path open, and notice silence sooner.
      connectionKeepAlive: false as const
    }
    this.#dht = new Dht(options, systemClock, log)
    this.#relays = network.relay ?? []
    this.#reach = this.#dht.findReach()
    this.#starting = within(this.#reach, limits.reachMs).then(() => {
      this.#started = true
    })
    this.#dialRelay = this.#dht.relayThrough(this.#relays, limits.relayRestMs)
  }

  /** Where this node listens. */
  get port(): number {
    return this.#dht.port
  }

  /**
   * Announces a server and hands over each connection to it. Resolves when it can be found, or when no node of the network
   * has answered; then it goes on trying.
   * @param onreach hears whether the network is reached: false when it was not, true when it is after all
   * @param relayIdentity what relays know the server by
   * @param topic where the server is to be found besides
   */
  async announce(
    keyPair: HyperDHT.KeyPair,
    onlink: (link: StreamLink) => void,
    onreach: (reached: boolean) => void,
    relayIdentity?: HyperDHT.KeyPair,
    topic?: Uint8Array
  ): Promise<Announcement> {
    const relayThrough = this.#dht.relayThrough(this.#relays, this.#limits.relayRestMs, relayIdentity)
    const options = { createSecretStream, ...(relayThrough && { relayThrough }) }
    const server = this.#dht.createServer(options, stream => {
      stream.on('error', noop)
      this.#whenOpen(stream, onlink)
    })
    await server.listen(keyPair)
    const found = topic && announceTopic(this.#dht, topic, keyPair, server)
    // What was announced says how to reach us.
    this.#reach.then(open => open && server.refresh())
    let retry: NodeJS.Timeout | undefined
    const check = (): void => {
      // The nodes that took the announcement; none when none answered.
      const reached = server.relayAddresses.length > 0
      if (reached && retry) {
        onreach(true)
        found?.refresh()
      }
      if (reached) return
      if (!retry) onreach(false)
      server.refresh()
      retry = setTimeout(check, this.#limits.announceRetryMs)
    }
    check()
    return {
      close: async () => {
        clearTimeout(retry)
        // Unannouncing asks the network, which may not answer.
        await within(Promise.all([found?.close(), server.close()]), this.#limits.closeMs)
      }
    }
  }

  /** Who announces a topic now: hosts, and perhaps strangers. */
  async lookUp(topic: Uint8Array): Promise<Found[]> {
    await this.#starting
    return lookUpTopic(this.#dht, topic)
  }

  #whenOpen(stream: SecretStream, onlink: (link: StreamLink) => void): void {
    stream.once('open', () => {
      const relay = this.#dht.relayOf(stream.rawStream)
      const link = new StreamLink(stream, this.#limits, relay !== null)
      this.#links.add(link)
      link.closed.then(code => {
        this.#links.delete(link)
        // Perhaps it was the other side that went away; then another relay does no harm.
        if (link.path === 'relayed' && code !== 'CONNECTION_LOST') relay?.failed()
      })
      onlink(link)
    })
  }

  /**
   * Dials the server whose announced key is `key`. Calls `done` once, with a link, or with why there is none.
   * @param relayAddresses DHT nodes that know the server, if any are known
   * @returns a function that gives up
   */
  dial(
    key: Uint8Array,
    keyPair: HyperDHT.KeyPair,
    done: (result: StreamLink | HyperNatError) => void,
    relayAddresses: readonly HyperDHT.Address[] = []
  ): () => void {
    if (this.#started) return this.#dialNow(key, keyPair, done, relayAddresses)
    let giveUp: (() => void) | null = () => {}
    this.#starting.then(() => {
      if (giveUp) giveUp = this.#dialNow(key, keyPair, done, relayAddresses)
    })
    return () => {
      giveUp?.()
      giveUp = null
    }
  }

  #dialNow(
    key: Uint8Array,
    keyPair: HyperDHT.KeyPair,
    done: (result: StreamLink | HyperNatError) => void,
    relayAddresses: readonly HyperDHT.Address[]
  ): () => void {
    let settled = false
    const settle = (result: StreamLink | HyperNatError): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      done(result)
    }
    const relayThrough = this.#dialRelay
    const stream = this.#dht.connect(key, {
      keyPair,
      createSecretStream,
      relayAddresses,
      ...(relayThrough && { relayThrough })
    })
    const punches = this.#dht.stats.punches.random
    const fail = (code: string): void => {
      if (this.#dht.nodes.length === 0) return settle(OFFLINE)
      settle(dialError(this.#bothRandom(code, punches) ? BOTH_RANDOM : code))
    }
    const timeUp = (): void => {
      fail('TIMEOUT')
      stream.destroy()
    }
    let timer = setTimeout(() => {
      // Ports are being tried at random, which takes its time; a new dial would have to rest before it does so again.
      if (this.#dht.stats.punches.random > punches) timer = setTimeout(timeUp, this.#limits.randomPunchMs)
      else timeUp()
    }, this.#limits.dialMs)
    this.#whenOpen(stream, link => (settled ? link.destroy() : settle(link)))
    stream.on('error', (err: unknown) => {
      if (settled) return
      const code = codeOf(err)
      this.#log.debug({ code }, 'dial failed')
      fail(code)
    })
    stream.on('close', () => fail('CLOSED'))
    return () => {
      settled = true
      clearTimeout(timer)
      stream.destroy()
    }
  }

  /** Ends every connection; sessions go on over new ones. */
  drop(): void {
    for (const link of this.#links) link.destroy()
  }

  /**
   * Whether a dial failed because both NATs are random. hyperdht has a code for it but ends the stream with another before it
   * comes to that: it gives up at once, without trying, though our NAT is random and it is not too soon to try again.
   * @param before how often ports had been tried at random before the dial
   */
  #bothRandom(code: string, before: number): boolean {
    const now = performance.now()
    if (this.#dht.stats.punches.random > before) this.#lastRandomPunch = now
    const soon = now - this.#lastRandomPunch < RANDOM_PUNCH_REST_MS
    return code === 'HOLEPUNCH_ABORTED' && this.#dht.randomized && !soon
  }

  /** Ends every connection and leaves the DHT. */
  async close(): Promise<void> {
    await within(Promise.all([...this.#links].map(link => link.closed)), this.#limits.closeMs)
    // The servers are closed; what is left of them could not unannounce.
    await this.#dht.destroy({ force: true })
  }
}

/** Waits for something, but not longer than `ms`. */
async function within(what: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([what.catch(noop), late])
  clearTimeout(timer)
}

function noop(): void {}
