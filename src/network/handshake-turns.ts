/** Which of the new handshakes is decrypted next: that takes time, and so its rate is limited. */
import type HyperDHT from 'hyperdht'
import type { Limits } from '../limits.js'
import type { Clock } from '../util/clock.js'
import { FairQueue } from '../util/fair-queue.js'
import { QueueNode } from '../util/queue.js'
import { TokenBucket } from '../util/token-bucket.js'
import { Turns } from '../util/turns.js'

type Address = HyperDHT.Address

/** Called with whether the handshake is decrypted. */
type Waiting = (admitted: boolean) => void

/**
 * Senders of handshakes take turns, by address and then by port, and the clients that a DHT node names when it forwards theirs do so within
 * its turn. So a flood only keeps out those who come the same way.
 */
export class HandshakeTurns {
  readonly #most: number
  readonly #turns = new Turns<Waiting>()
  readonly #node = new QueueNode(this.#turns)
  readonly #queue: FairQueue<Turns<Waiting>>

  constructor(clock: Clock, limits: Pick<Limits, 'handshakeLooksPerSecond' | 'handshakesWaiting'>) {
    this.#most = limits.handshakesWaiting
    this.#queue = new FairQueue(
      clock,
      new TokenBucket(limits.handshakeLooksPerSecond / 1000, 1),
      () => 1,
      turns => {
        turns.take()?.(true)
        if (turns.size > 0) this.#queue.wait(this.#node)
      }
    )
  }

  /**
   * Waits for the turn of a handshake.
   * @param client whose it is, as the sender says; null where that is the sender
   * @returns false when too many wait; the client repeats its handshake
   */
  turn(sender: Address, client: Address | null): true | Promise<boolean> {
    if (this.#queue.enter()) return true
    const path = [sender, ...(client ? [client] : [])].flatMap(({ host, port }) => [host, `${port}`])
    const admitted = new Promise<boolean>(resolve => this.#turns.add(path, resolve))
    if (this.#turns.size > this.#most) this.#turns.dropFromLongest()?.(false)
    this.#queue.wait(this.#node)
    return admitted
  }
}
