/**
 * secret-stream, with messages built in blocks that are used again. A bulk transfer fills some thousand blocks of 64 kB a second:
 * as garbage they would be most of what there is to collect.
 */
import type SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import type { Limits } from '../limits.js'
import { protocolError } from '../wire/bytes.js'
import { MAX_MESSAGE } from '../wire/constants.js'
import { InPlaceStream } from './internals.js'

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

/**
 * Makes hyperdht's streams ours: without secret-stream's own datagrams, which would try each of our packets in vain, and without its empty
 * messages that keep a stream alive, since a session has its pings. With those, it would swallow any number of such messages, at no rate.
 */
export function secretStreams(blocks: MessageBlocks): HyperDHT.CreateSecretStream {
  return (isInitiator, rawStream, opts) =>
    new MessageStream(isInitiator, rawStream, { ...opts, enableSend: false, keepAlive: 0 }, blocks)
}

/**
 * A secret-stream that ends when its peer announces a longer message than hyper-nat ever sends. By itself secret-stream allocates up
 * to 16 MB for a message as soon as its header says so, and keeps them while the rest is missing.
 */
class BoundedStream extends InPlaceStream {
  override start(rawStream: SecretStream.RawStream | null, opts?: object): void {
    if (rawStream) {
      // secret-stream says here how much is missing of a message, before it allocates memory for it.
      rawStream.setContentSize = missing => {
        if (missing > MAX_MESSAGE + TAIL + 1) this.destroy(protocolError('a message that is too long'))
      }
    }
    super.start(rawStream, opts)
  }
}

/** Bytes of the longest message of a relay, or to one; hyperdht and blind-relay send some 60. */
const RELAY_MESSAGE_BYTES = 1024

/**
 * Protomux reads a batch in a batch by calling itself, five bytes each: in a message of 15 kB there are enough of them to overflow the
 * stack, which ends the process.
 */
class RelayStream extends BoundedStream {
  override push(message: Uint8Array | null): boolean {
    if (message === null || message.byteLength <= RELAY_MESSAGE_BYTES) return super.push(message)
    this.destroy(protocolError('a message that is too long'))
    return false
  }
}

/** For connections that carry no session: to relays, and those of a relay. */
export const relayStreams: HyperDHT.CreateSecretStream = (isInitiator, rawStream, opts) =>
  new RelayStream(isInitiator, rawStream, opts)

class MessageStream extends BoundedStream {
  readonly #blocks: MessageBlocks
  /** Those that were taken since the last {@link flush}. */
  #taken: Uint8Array[] = []
  /** What lies around a message that {@link alloc} gave room for. */
  readonly #whole = new WeakMap<Uint8Array, Uint8Array>()

  constructor(isInitiator: boolean, rawStream: unknown, opts: object, blocks: MessageBlocks) {
    super(isInitiator, rawStream, opts)
    this.#blocks = blocks
  }

  /** A buffer for a message of `size` bytes, with room around it for what secret-stream adds. */
  override alloc(size: number): Uint8Array {
    const whole = this.#room(HEAD + size + TAIL)
    const message = whole.subarray(HEAD, HEAD + size)
    this.#whole.set(message, whole)
    return message
  }

  #room(bytes: number): Uint8Array {
    const { messageBlockBytes } = this.#blocks.limits
    if (bytes < messageBlockBytes * LEAST_SHARE || bytes > messageBlockBytes) return b4a.allocUnsafe(bytes)
    const block = this.#blocks.take()
    this.#taken.push(block)
    return block.subarray(0, bytes)
  }

  protected override wholeOf(message: Uint8Array): Uint8Array | undefined {
    return this.#whole.get(message)
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
