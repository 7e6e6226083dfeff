/** Somebody who connects as a client does and is then bound by no rules of ours. */

import { HyperNatError } from '../../src/errors.js'
import { childPublicKey } from '../../src/identity/child.js'
import { type KeyPair, keyPairOf, randomSecret } from '../../src/identity/keys.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { clientHandshake } from '../../src/session/handshake.js'
import { systemClock } from '../../src/util/clock.js'
import type { Hello, Welcome } from '../../src/wire/handshake.js'

export interface Intruder {
  readonly link: StreamLink
  readonly welcome: Welcome
  /** What it seals its datagrams with. */
  readonly datagramKey: Uint8Array
  /** Where it asks the DHT from. */
  readonly port: number
  close(): Promise<void>
}

/** A client's key of which nobody knows. */
export function freshKeys(): KeyPair {
  return keyPairOf(randomSecret())
}

/**
 * Dials and greets a server.
 * @param publicKey what it claims to know
 * @param what.dial the key to dial, if not the one that comes from it
 * @param what.resume a session to ask for
 * @param what.over sessions that it calls over
 */
export async function intrude(
  publicKey: Uint8Array,
  bootstrap: readonly string[],
  keyPair: KeyPair,
  what: { dial?: Uint8Array; resume?: Hello['resume']; over?: Hello['over'] } = {}
): Promise<Intruder> {
  const node = new Node({ bootstrap }, LIMITS, silentLog)
  const datagramKey = Buffer.alloc(32, 1)
  const { dial = childPublicKey(publicKey), resume = null, over } = what
  const greeted = new Promise<{ link: StreamLink; welcome: Welcome }>((resolve, reject) => {
    node.dial(dial, keyPair, link => {
      if (link instanceof HyperNatError) return reject(link)
      clientHandshake(
        { link, sharedKey: publicKey, clock: systemClock, timeoutMs: 5000 },
        { datagramKey, resume, over },
        welcome => (welcome instanceof HyperNatError ? reject(welcome) : resolve({ link, welcome }))
      )
    })
  })
  const { link, welcome } = await greeted.catch(async err => {
    await node.close()
    throw err
  })
  return { link, welcome, datagramKey, port: node.port, close: () => node.close() }
}
