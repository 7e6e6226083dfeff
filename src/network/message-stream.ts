/**
 * secret-stream, with messages built in blocks that are used again. A bulk transfer fills some thousand blocks of 64 kB a second:
 * as garbage they would be most of what there is to collect.
 */
import SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type { Limits } from '../limits.js'

/** What secret-stream writes before a message, its length and a tag, and what it writes behind it, a MAC; in bytes. */
const HEAD = 3 + 1
const TAIL = 16

/** Messages that would take less of a block have buffers of their own: what is on its way takes no more than twice its size. */
const LEAST_SHARE = 1 / 2

/** Blocks for messages, for all streams of a node. */
export class MessageBlocks {
  readonly #free: Uint8Array[] = []

  constructor(readonly limits: Pick<Limits, 'messageBlockBytes' | 'messageBlocks'>) {}

  /** How many wait to be used again. */
  get free(): number {
    return this.#free.length
  }

  take(): Uint8Array {
    return this.#free.pop() ?? b4a.allocUnsafeSlow(this.limits.messageBlockBytes)
  }

  giveBack(blocks: readonly Uint8Array[]): void {
    for (const block of blocks) {
      if (this.#free.length >= this.limits.messageBlocks) return
      this.#free.push(block)
    }
  }
}

export class MessageStream extends SecretStream {
  readonly #blocks: MessageBlocks
  /** Those that were taken since the last {@link flush}. */
  #taken: Uint8Array[] = []

  constructor(isInitiator: boolean, rawStream: unknown, opts: object, blocks: MessageBlocks) {
    super(isInitiator, rawStream, opts)
    this.#blocks = blocks
  }

  /** A buffer for a message of `size` bytes, with room around it. What is written to the stream must come from here. */
  override alloc(size: number): Uint8Array {
    const whole = HEAD + size + TAIL
    const { messageBlockBytes } = this.#blocks.limits
    if (whole < messageBlockBytes * LEAST_SHARE || whole > messageBlockBytes)
      return b4a.allocUnsafe(whole).subarray(HEAD, HEAD + size)
    const block = this.#blocks.take()
    this.#taken.push(block)
    return block.subarray(HEAD, HEAD + size)
  }

  /**
   * Of several messages that are written in one turn of the event loop, secret-stream would know the buffer of the last one only,
   * and copy the others.
   */
  override _write(message: Uint8Array, done: (err: Error | null) => void): void {
    this._outgoingPlain = message
    this._outgoingWrapped = b4a.from(
      message.buffer,
      message.byteOffset - HEAD,
      HEAD + message.byteLength + TAIL
    )
    super._write(message, done)
  }

  /** Resolves true when all that was written is acknowledged, so that nothing in those blocks is sent again. */
  override async flush(): Promise<boolean> {
    const taken = this.#taken
    this.#taken = []
    const acknowledged = await super.flush()
    if (acknowledged) this.#blocks.giveBack(taken)
    return acknowledged
  }
}
