/** Somebody who connects as a client does and is then bound by no rules of ours. */
import { systemClock } from '../../src/clock.js'
import { HyperNatError } from '../../src/errors.js'
import { childPublicKey } from '../../src/identity/child.js'
import type { KeyPair } from '../../src/identity/keys.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log.js'
import { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import type { Welcome } from '../../src/session/frames.js'
import { greetServer } from '../../src/session/greeting.js'

export interface Intruder {
  readonly link: StreamLink
  readonly welcome: Welcome
  /** What it seals its datagrams with. */
  readonly datagramKey: Uint8Array
  close(): Promise<void>
}

/** Dials and greets a server. */
export async function intrude(
  publicKey: Uint8Array,
  bootstrap: readonly string[],
  keyPair: KeyPair
): Promise<Intruder> {
  const node = new Node({ bootstrap }, LIMITS, silentLog)
  const datagramKey = Buffer.alloc(32, 1)
  const { link, welcome } = await new Promise<{ link: StreamLink; welcome: Welcome }>((resolve, reject) => {
    node.dial(childPublicKey(publicKey), keyPair, link => {
      if (link instanceof HyperNatError) return reject(link)
      greetServer(
        { link, sharedKey: publicKey, clock: systemClock, timeoutMs: 5000 },
        { datagramKey, resume: null },
        welcome => (welcome instanceof HyperNatError ? reject(welcome) : resolve({ link, welcome }))
      )
    })
  })
  return { link, welcome, datagramKey, close: () => node.close() }
}
