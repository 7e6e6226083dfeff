import { createHash, randomInt } from 'node:crypto'

/**
 * Where a test's random choices come from: one seed, printed when a test fails, so that the same choices can be had again
 * with HYPER_NAT_TEST_SEED. The generator is xorshift32; nothing here is meant to be secret.
 */
export class Random {
  readonly seed: number
  #state: number

  constructor(seed: number = seedFromEnvironment()) {
    this.seed = seed
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1
  }

  /** An integer from 0 up to 2^32 - 1. */
  word(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state
  }

  /** An integer from `low` up to and including `high`. */
  between(low: number, high: number): number {
    return low + (this.word() % (high - low + 1))
  }

  /** Random bytes, which do not compress and do not repeat within any test's size. */
  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) words[i] = this.word()
    return Buffer.from(words.buffer, 0, length)
  }
}

function seedFromEnvironment(): number {
  const given = process.env.HYPER_NAT_TEST_SEED
  return given === undefined ? randomInt(1, 2 ** 31) : Number(given)
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
