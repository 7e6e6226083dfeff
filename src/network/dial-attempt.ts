/** One attempt to reach a server: all ways at the same time, and the first that leads there wins. */
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { codeOf, type HyperNatError } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Clock, Timer } from '../util/clock.js'
import type { Dht } from './dht.js'
import { dialError, OFFLINE } from './dial-errors.js'
import { createHandshake } from './internals.js'
import type { CompleteHandshake } from './ipv6/handshakes.js'
import type { Ipv6 } from './ipv6/ipv6.js'
import type { askLan } from './lan-search.js'
import type { LastAddresses } from './last-addresses.js'
import { BOTH_RANDOM, type RandomNats } from './random-nats.js'
import type { StreamLink } from './stream-link.js'
import type { Fallback } from './tcp-relay/fallback.js'

/** How many of the addresses that answer in a LAN are dialled: any machine there can answer. */
const LAN_ANSWERS = 4

/** What all dials of a node share. */
export interface DialDeps {
  readonly dht: Pick<Dht, 'connect' | 'nodeCount' | 'randomPunches'>
  /** Null where no relay by TCP is named. */
  readonly fallback: Pick<Fallback, 'check' | 'servers'> | null
  /** Null where IPv6 is to be left alone. */
  readonly ipv6: Pick<Ipv6<StreamLink>, 'dial' | 'handshakes' | 'open'> | null
  /** Null where the LAN is to be left alone. */
  readonly askLan: typeof askLan | null
  readonly randomNats: RandomNats
  readonly lastAddresses: LastAddresses
  /** Chooses a relay by UDP; undefined: there is none. */
  readonly relayThrough: (() => Uint8Array | null) | undefined
  readonly createSecretStream: HyperDHT.CreateSecretStream
  /** Calls back with the link of a stream once it has opened. */
  readonly whenOpen: (stream: SecretStream, onlink: (link: StreamLink) => void) => void
  readonly clock: Clock
  readonly limits: Pick<Limits, 'dialMs' | 'randomPunchMs' | 'ipv6DialMs' | 'lanSearchMs' | 'firstPacketMs'>
  readonly log: Log
}

export interface Dial {
  /** The key that the server announces. */
  readonly key: Uint8Array
  readonly keyPair: HyperDHT.KeyPair
  /** DHT nodes that know the server, if any are known. */
  readonly relayAddresses: readonly HyperDHT.Address[]
}

export class DialAttempt {
  readonly #deps: DialDeps
  readonly #key: Uint8Array
  readonly #keyPair: HyperDHT.KeyPair
  readonly #done: (result: StreamLink | HyperNatError) => void
  /** Streams that have not opened. */
  readonly #streams = new Set<SecretStream>()
  /** How often ports had been tried at random before. */
  readonly #punches: number
  #timer: Timer
  #settled = false
  /** Ends the search in the LAN, while there is one. */
  #endLanSearch: (() => void) | null = null
  /** What the handshake tells for IPv6, until that is tried. */
  #handshake: CompleteHandshake | null = null
  /** Armed when the handshake is complete. */
  #ipv6Timer: Timer | null = null
  /** Ends the attempt by IPv6, while there is one. */
  #endIpv6: (() => void) | null = null
  /** Why the network does not lead there, as hyperdht's code. */
  #failure = 'CLOSED'

  /** @param done called once, with a link, or with why there is none; not after {@link close} */
  constructor(
    deps: DialDeps,
    { key, keyPair, relayAddresses }: Dial,
    done: (result: StreamLink | HyperNatError) => void
  ) {
    this.#deps = deps
    this.#key = key
    this.#keyPair = keyPair
    this.#done = done
    const { dht, clock, limits, ipv6, lastAddresses } = deps
    this.#punches = dht.randomPunches
    this.#timer = clock.after(limits.dialMs, () => this.#onTime())
    void ipv6?.open()
    this.#dialByDht(relayAddresses)
    // At the same time, since a dead address costs seconds. A server that is still at its address answers even without the DHT.
    const last = lastAddresses.of(key)
    if (last) this.#dialAt(last)
    // Where there is no DHT at all, the server may be in the same LAN.
    if (dht.nodeCount === 0) this.#searchLan()
  }

  /** Gives up. */
  close(): void {
    this.#settled = true
    this.#timer.cancel()
    this.#ipv6Timer?.cancel()
    this.#endLanSearch?.()
    this.#endIpv6?.()
    for (const stream of this.#streams) stream.destroy()
  }

  #settle(result: StreamLink | HyperNatError): void {
    if (this.#settled) return
    this.close()
    this.#done(result)
  }

  #fail(): void {
    if (this.#settled) return
    const { dht, fallback, randomNats, clock } = this.#deps
    fallback?.check()
    if (dht.nodeCount === 0) return this.#settle(OFFLINE)
    const bothRandom = randomNats.areBothRandom(this.#failure, this.#punches, clock.now())
    this.#settle(dialError(bothRandom ? BOTH_RANDOM : this.#failure))
  }

  #onTime(): void {
    const { dht, clock, limits } = this.#deps
    const timeUp = (): void => {
      this.#failure = 'TIMEOUT'
      this.#fail()
    }
    // Ports are being tried at random, which takes its time; a new dial would have to rest before it does so again.
    if (dht.randomPunches > this.#punches) this.#timer = clock.after(limits.randomPunchMs, timeUp)
    else timeUp()
  }

  /** A way leads nowhere. */
  #onDeadEnd(): void {
    if (this.#streams.size > 0 || this.#endLanSearch || this.#endIpv6) return
    if (this.#handshake) this.#dialByIpv6()
    else this.#fail()
  }

  #dialByDht(relayAddresses: readonly HyperDHT.Address[]): void {
    const { fallback, randomNats, ipv6, relayThrough, clock, limits } = this.#deps
    this.#connect(
      {
        relayAddresses: [...(fallback?.servers ?? []), ...relayAddresses],
        holepunch: theirs => {
          randomNats.learn(this.#key, theirs)
          return true
        },
        ...(ipv6 && {
          createHandshake: ipv6.handshakes(createHandshake, complete => {
            this.#handshake = complete
            this.#ipv6Timer = clock.after(limits.ipv6DialMs, () => this.#dialByIpv6())
          })
        }),
        ...(relayThrough && { relayThrough })
      },
      code => {
        this.#failure = code
      }
    )
  }

  /** Dials the server where it may be, without the DHT. */
  #dialAt(address: HyperDHT.Address): void {
    this.#connect({ relayAddresses: [address], holepunch: () => false }, () => {})
  }

  #searchLan(): void {
    const { askLan, limits } = this.#deps
    if (!askLan) return
    let answers = 0
    this.#endLanSearch = askLan(
      this.#key,
      limits.lanSearchMs,
      address => {
        if (answers++ < LAN_ANSWERS) this.#dialAt(address)
      },
      () => {
        this.#endLanSearch = null
        this.#onDeadEnd()
      }
    )
  }

  #dialByIpv6(): void {
    const handshake = this.#handshake
    if (this.#settled || !handshake) return
    this.#handshake = null
    this.#ipv6Timer?.cancel()
    this.#endIpv6 = this.#deps.ipv6!.dial(handshake, this.#keyPair, link => {
      this.#endIpv6 = null
      if (this.#settled) return link?.destroy()
      if (link) this.#settle(link)
      else this.#onDeadEnd()
    })
  }

  #connect(options: HyperDHT.ConnectOptions, onfailed: (code: string) => void): void {
    const { dht, createSecretStream, whenOpen, lastAddresses, fallback, log } = this.#deps
    const stream = dht.connect(this.#key, { keyPair: this.#keyPair, createSecretStream, ...options })
    this.#streams.add(stream)
    const failed = (code: string): void => {
      if (!this.#streams.delete(stream) || this.#settled) return
      log.debug({ code }, 'dial failed')
      fallback?.check()
      onfailed(code)
      this.#onDeadEnd()
    }
    whenOpen(stream, link => {
      if (this.#settled) return link.destroy()
      this.#streams.delete(stream)
      this.#awaitPacket(stream, link)
      lastAddresses.note(this.#key, stream, link)
      this.#settle(link)
    })
    stream.on('error', (err: unknown) => failed(codeOf(err)))
    stream.on('close', () => failed('CLOSED'))
  }

  /** hyperdht's stream is open when it has sent something: ends one that goes nowhere. */
  #awaitPacket(stream: SecretStream, link: StreamLink): void {
    const { clock, limits } = this.#deps
    const late = clock.after(limits.firstPacketMs, () => {
      if (link.path !== 'relayed' && stream.rawStream.packetsReceived === 0) stream.destroy()
    })
    stream.once('close', () => late.cancel())
  }
}
