/**
 * Dials one key until a handshake succeeds there. Its owner judges who that is, and whether to go on.
 */

import { HyperNatError } from '../../errors.js'
import type { PathKind } from '../../events.js'
import type { KeyPair } from '../../identity/keys.js'
import type { Limits } from '../../limits.js'
import { RELAY_FAILED } from '../../network/dial-errors.js'
import type { ClientPathOptions } from '../../network/ipv6/ipv6.js'
import type { ClientSearch } from '../../network/ipv6/search.js'
import type { NetworkChange } from '../../network/network-watch.js'
import type { Found } from '../../network/topic.js'
import type { ClientSession } from '../../session/client-session.js'
import { clientHandshake } from '../../session/handshake.js'
import type { Clock, Timer } from '../../util/clock.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import { featuresOf, KEY_BYTES } from '../../wire/constants.js'
import type { Welcome } from '../../wire/handshake.js'
import type { Link } from '../../wire/link.js'

/** A connection of which is known how its packets travel. */
export interface PathLink extends Link {
  readonly path: PathKind
  /** Packets travel in another way now than they did. */
  onpath: (was: PathKind) => void
  /** Left out where that is not known. */
  readonly family?: 'IPv4' | 'IPv6'
  /** Nothing comes any more. */
  suspect(): void
}

/** Opens second connections over IPv6. See `network/ipv6/ipv6.ts`. */
export interface SecondPaths {
  /** Where this machine is reached by IPv6. */
  readonly addresses: readonly Ipv6Address[]
  client(options: ClientPathOptions<PathLink>): ClientSearch
  end(search: ClientSearch): void
}

/** Where hosts are: the DHT, or its twin in memory, `test/sim/support/test-dht.ts`. See `network/node.ts`. */
export interface HostNetwork {
  dial(
    key: Uint8Array,
    keyPair: KeyPair,
    done: (result: PathLink | HyperNatError) => void,
    relayAddresses?: Found['relayAddresses']
  ): () => void
  lookUp(topic: Uint8Array): Promise<Found[]>
  /** Calls `listener` when the network has changed. @returns a function that ends that */
  onChange(listener: (changes: ReadonlySet<NetworkChange>) => void): () => void
  /** Left out or null: there are no second connections. */
  readonly ipv6?: SecondPaths | null
}

/** What it dials with. */
export interface DiallerDeps {
  readonly node: HostNetwork
  /** The key that people share. */
  readonly publicKey: Uint8Array
  /** The key by which servers know this machine. */
  readonly keyPair: KeyPair
  readonly clock: Clock
  readonly limits: Limits
  readonly random: (size: number) => Uint8Array
  /** A dial was made, or has failed. */
  readonly counted: (what: keyof DialCounts) => void
}

/** Dials of one server's hosts, whichever they are. */
export interface DialCounts {
  made: number
  /** How many of them led to no connection. */
  failed: number
}

/** A peer that knows what only a server of this key, or a peer that was given the key, can know. */
export interface Welcomed {
  /** The key that was dialled. */
  readonly key: Uint8Array
  readonly link: PathLink
  readonly welcome: Welcome
  /** Seals our datagrams on this connection. */
  readonly sendKey: Uint8Array
  /** The session that was asked for. */
  readonly asked: ClientSession | null
  /** The sessions that were named as over. */
  readonly over: readonly Uint8Array[]
}

export interface DiallerEvents {
  /** The connection is open. @returns whether it is still wanted */
  opened(): boolean
  /** The session to ask for, now that the connection is open; null for a new one. */
  resume(): ClientSession | null
  /** The sessions to name as over. */
  over(): readonly Uint8Array[]
  welcomed(welcomed: Welcomed): void
  /** There is no connection, or no welcome. */
  failed(err: HyperNatError): void
}

export class Dialler {
  /** DHT nodes that know the key, if any are known. */
  relayAddresses: Found['relayAddresses'] = []
  readonly #deps: DiallerDeps
  readonly #key: Uint8Array
  readonly #events: DiallerEvents
  #giveUp: (() => void) | null = null
  #again: { readonly timer: Timer; readonly at: number } | null = null
  #greeting = false
  #closed = false

  constructor(deps: DiallerDeps, key: Uint8Array, events: DiallerEvents) {
    this.#deps = deps
    this.#key = key
    this.#events = events
  }

  /** Whether a dial or a greeting is under way. */
  get busy(): boolean {
    return this.#giveUp !== null
  }

  /** When it dials again, ms; infinite while that is not planned. */
  get againAt(): number {
    return this.#again?.at ?? Number.POSITIVE_INFINITY
  }

  /** Whether a connection is open and being greeted on. */
  get greeting(): boolean {
    return this.#greeting
  }

  /** Dials now, unless it does already. */
  dial(): void {
    if (this.#closed || this.#giveUp) return
    this.#forgetPlan()
    const { node, keyPair, counted } = this.#deps
    counted('made')
    const giveUp = node.dial(
      this.#key,
      keyPair,
      result => {
        if (this.#giveUp === giveUp) this.#giveUp = null
        if (result instanceof HyperNatError) {
          counted('failed')
          this.#fail(result)
        } else if (!this.#closed && this.#events.opened()) this.#greet(result)
        else result.destroy()
      },
      this.relayAddresses
    )
    this.#giveUp = giveUp
  }

  /** Dials at once: what is under way may wait for answers that cannot come. */
  redial(): void {
    this.stop()
    this.dial()
  }

  /** Runs `dial` (or what is to decide on it) after `ms`; what was planned before is forgotten. */
  later(ms: number, dial: () => void = () => this.dial()): void {
    this.#forgetPlan()
    if (this.#closed) return
    const { clock } = this.#deps
    const timer = clock.after(ms, () => {
      this.#again = null
      dial()
    })
    this.#again = { timer, at: clock.now() + ms }
  }

  #forgetPlan(): void {
    this.#again?.timer.cancel()
    this.#again = null
  }

  /** Gives up what is under way, and what is planned. */
  stop(): void {
    this.#forgetPlan()
    const giveUp = this.#giveUp
    this.#giveUp = null
    giveUp?.()
  }

  close(): void {
    this.#closed = true
    this.stop()
  }

  /**
   * Greets on a connection that was opened in another way, beside the one that carries the session.
   * @param onfailed called if that leads to nothing
   * @returns false, and the connection is ended, while another one is being opened or greeted on
   */
  greet(link: PathLink, onfailed: () => void): boolean {
    if (this.#closed || this.#giveUp) {
      link.destroy()
      return false
    }
    this.#greet(link, onfailed)
    return true
  }

  #greet(link: PathLink, onfailed = (err: HyperNatError) => this.#fail(err)): void {
    const { clock, limits, random, publicKey, node } = this.#deps
    const sendKey = random(KEY_BYTES)
    const asked = this.#events.resume()
    const resume = asked
      ? { session: asked.id, highest: asked.flows.tcp.highest, flows: asked.flows.tcp.positions() }
      : null
    const over = this.#events.over()
    asked?.keepFor(limits.greetingMs)
    this.#greeting = true
    const giveUp = clientHandshake(
      { link, sharedKey: publicKey, clock, timeoutMs: limits.greetingMs },
      { datagramKey: sendKey, resume, over, features: featuresOf(Boolean(node.ipv6)) },
      result => {
        const stopped = this.#giveUp !== giveUp
        this.#greeting = false
        if (!stopped) this.#giveUp = null
        if (!(result instanceof HyperNatError)) {
          this.#events.welcomed({ key: this.#key, link, welcome: result, sendKey, asked, over })
        } else if (stopped) return
        // A server says why it ends a connection; a relay that turns one away cannot.
        else if (result.code === 'CONNECTION_LOST' && link.path === 'relayed') onfailed(RELAY_FAILED)
        else onfailed(result)
      }
    )
    this.#giveUp = giveUp
  }

  #fail(err: HyperNatError): void {
    if (!this.#closed) this.#events.failed(err)
  }
}
