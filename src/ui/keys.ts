/**
 * Who may use the page: whoever has the token, which is new at each start. It travels in the fragment of a link, which browsers
 * send to nobody, and then in the header `Authorization`, which no other site can make a browser send. A cookie would go to
 * every server on 127.0.0.1, whatever its port, and come along with requests that other sites cause.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const TOKEN_BYTES = 32
const SCHEME = 'Bearer '

export class Keys {
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url')
  /** When each code that has not been used ends. */
  readonly #codes = new Map<string, number>()

  /**
   * @param now milliseconds on a clock that never goes back
   * @param codeMs how long a code holds
   */
  constructor(
    readonly now: () => number,
    readonly codeMs: number
  ) {}

  /** Whether a request's `Authorization` has the token. */
  admits(authorization: string | undefined): boolean {
    if (!authorization?.startsWith(SCHEME)) return false
    return equal(authorization.slice(SCHEME.length), this.token)
  }

  /** A code to be exchanged for the token, once: what a browser is started with shows in the list of processes. */
  newCode(): string {
    const code = randomBytes(TOKEN_BYTES).toString('base64url')
    this.#codes.set(code, this.now() + this.codeMs)
    return code
  }

  /** The token for a code that was not used before; undefined for any other. */
  exchange(given: string): string | undefined {
    for (const [code, end] of this.#codes) {
      const over = this.now() > end
      if (!over && !equal(given, code)) continue
      this.#codes.delete(code)
      if (!over) return this.token
    }
    return undefined
  }
}

/** In a time that does not tell how much of it is right. */
function equal(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
