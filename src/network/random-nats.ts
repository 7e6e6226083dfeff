/**
 * NATs that take another port for each peer, which hyperdht calls random: which servers are behind one, and whether a dial failed because
 * both ends are.
 */
import b4a from 'b4a'

/** hyperdht's code for two random NATs. */
export const BOTH_RANDOM = 'HOLEPUNCH_DOUBLE_RANDOMIZED_NATS'

/** hyperdht's number for a random NAT; every smaller one can be punched from everywhere. */
const FIREWALL_RANDOM = 3

/** hyperdht tries ports at random for up to 35 s, and rests 20 s before it does so again. */
const RANDOM_PUNCH_REST_MS = 60_000

/** What of the DHT node is asked. */
interface Punches {
  /** How many times ports have been tried at random. */
  readonly randomPunches: number
  /** Whether our own NAT is random. */
  readonly randomized: boolean
}

export class RandomNats {
  /** By the key that was dialled, in hex. */
  readonly #servers = new Map<string, boolean>()
  #lastPunch = Number.NEGATIVE_INFINITY

  /** @param most number of servers that are remembered */
  constructor(
    readonly dht: Punches,
    readonly most: number
  ) {}

  /** A server has reported the kind of its NAT at a dial, as hyperdht's number. */
  learn(key: Uint8Array, firewall: number): void {
    const name = b4a.toString(key, 'hex')
    // Strangers under a topic have keys without end.
    this.#servers.delete(name)
    if (this.#servers.size >= this.most) this.#servers.delete(this.#servers.keys().next().value!)
    this.#servers.set(name, firewall >= FIREWALL_RANDOM)
  }

  /** As the server reported at the last dial; null if it reported nothing. */
  isRandom(key: Uint8Array): boolean | null {
    return this.#servers.get(b4a.toString(key, 'hex')) ?? null
  }

  /**
   * Whether a dial failed because both NATs are random. hyperdht has a code for it but ends the stream with another before it
   * comes to that: it gives up at once, without trying, though our NAT is random and it is not too soon to try again.
   * @param code of the dial's error
   * @param before how often ports had been tried at random before the dial
   */
  areBothRandom(code: string, before: number, now: number): boolean {
    if (this.dht.randomPunches > before) this.#lastPunch = now
    const soon = now - this.#lastPunch < RANDOM_PUNCH_REST_MS
    return code === 'HOLEPUNCH_ABORTED' && this.dht.randomized && !soon
  }
}
