/**
 * The first message of each side: HELLO, in which the client proves that it knows the shared key, and WELCOME. Until then every
 * other frame is refused, and nothing is revealed.
 */
import b4a from 'b4a'
import sodium from 'sodium-native'
import { codeOf, type ErrorCode, HyperNatError } from '../errors.js'
import type { Clock } from '../util/clock.js'
import { protocolError } from '../wire/bytes.js'
import { FEATURES, KEY_BYTES, VERSIONS } from '../wire/constants.js'
import { closeFrame, type FrameSink, helloFrame, readMessage } from '../wire/frames.js'
import type { Hello, VersionRange, Welcome } from '../wire/handshake.js'
import type { Link } from '../wire/link.js'

/** Fixed for all versions: a peer of any version can tell a wrong key from a wrong version. */
const PROOF_CONTEXT = b4a.from('hyper-nat/2/hello')

const outOfTurn = (): never => {
  throw protocolError('a frame out of its turn')
}

/** Refuses HELLO and WELCOME: for a session that has had its handshake. */
export const refuseHandshake = { hello: outOfTurn, welcome: outOfTurn }

const refuseAll: FrameSink = {
  ...refuseHandshake,
  close: outOfTurn,
  maps: outOfTurn,
  addresses: outOfTurn,
  roster: outOfTurn,
  open: outOfTurn,
  data: outOfTurn,
  fin: outOfTurn,
  reset: outOfTurn,
  window: outOfTurn
}

/**
 * BLAKE2b-256 of a context and the handshake hash, keyed with the shared public key. A peer that knows only the announced key
 * cannot compute it, and it proves nothing in another handshake.
 */
export function proofOf(sharedKey: Uint8Array, handshakeHash: Uint8Array): Uint8Array {
  const proof = b4a.alloc(KEY_BYTES)
  sodium.crypto_generichash(proof, b4a.concat([PROOF_CONTEXT, handshakeHash]), sharedKey)
  return proof
}

export interface HandshakeOptions {
  readonly link: Link
  readonly sharedKey: Uint8Array
  readonly clock: Clock
  /** How long the other side may take, ms. */
  readonly timeoutMs: number
}

/** Sends CLOSE with a code and a reason, then ends the connection. */
export function reject(link: Link, code: ErrorCode, reason: string): void {
  const frame = closeFrame(code, reason)
  const message = link.alloc(frame.byteLength)
  message.set(frame)
  link.write(message)
  link.close()
}

/**
 * Runs the client's side of the handshake, with the features of this program unless `offer` names others. Calls `done` once: with the server's WELCOME, in the same turn as it arrives, or with
 * the error that ended the handshake.
 * @returns a function that aborts
 */
export function clientHandshake(
  options: HandshakeOptions,
  offer: Pick<Hello, 'datagramKey' | 'resume' | 'over'> & { readonly features?: number },
  done: (result: Welcome | HyperNatError) => void
): () => void {
  const { link, sharedKey } = options
  const proof = proofOf(sharedKey, link.handshakeHash)
  const frame = helloFrame({ versions: VERSIONS, features: FEATURES, proof, ...offer })
  // No CLOSE here: the HELLO may have arrived, and the session that it resumed would end.
  const giveUp = (): void => link.destroy()
  const abort = awaitFirst(
    options,
    done,
    giveUp,
    settle => ({
      ...refuseAll,
      welcome: (versions, welcome) => {
        const { resume } = offer
        if (!welcome) {
          settle(versionMismatch(versions, 'Update hyper-nat on the server.', 'Update hyper-nat here.'))
        } else if (welcome.resumed && !(resume && b4a.equals(welcome.session, resume.session))) {
          throw protocolError('a session that was not asked for')
        } else settle(welcome)
      },
      close: (code, reason) => settle(new HyperNatError(code, reason || `The server refused (${code}).`))
    }),
    EARLY_DATAGRAMS
  )
  const message = link.alloc(frame.byteLength)
  message.set(frame)
  link.write(message)
  return abort
}

/**
 * Runs the server's side of the handshake. Calls `done` once: with the client's HELLO when its proof is right and both sides share
 * a version; any other client is rejected here, and learns nothing before its proof is right.
 * @returns a function that aborts
 */
export function serverHandshake(
  options: HandshakeOptions,
  done: (result: Hello | HyperNatError) => void
): () => void {
  const { link, sharedKey } = options
  const giveUp = ({ code, message }: HyperNatError): void => reject(link, code, message)
  return awaitFirst(options, done, giveUp, settle => ({
    ...refuseAll,
    hello: (versions, proof, hello) => {
      if (!sodium.sodium_memcmp(proof, proofOf(sharedKey, link.handshakeHash))) {
        settle(
          new HyperNatError('WRONG_KEY', "The public key is not this server's: ask the host for it again.")
        )
      } else if (hello) settle(hello)
      else
        settle(
          versionMismatch(versions, 'Update hyper-nat on the client.', 'Update hyper-nat on the server.')
        )
    }
  }))
}

/** @param theirs the versions that the other side speaks, none of which this side does */
function versionMismatch(theirs: VersionRange, updateThem: string, updateUs: string): HyperNatError {
  const range = ({ lowest, highest }: VersionRange): string =>
    lowest === highest ? `version ${lowest}` : `versions ${lowest} to ${highest}`
  const what = theirs.highest < VERSIONS.lowest ? updateThem : updateUs
  return new HyperNatError(
    'VERSION_MISMATCH',
    `The two sides share no version of the protocol: one speaks ${range(theirs)}, the other ${range(VERSIONS)}. ${what}`
  )
}

/** Messages before the first that counts: empty ones, or with frames that only other versions know. They come at no rate. */
const EARLY_MESSAGES = 16

/** Datagrams that are kept until the WELCOME that they have overtaken arrives. */
const EARLY_DATAGRAMS = 64

/**
 * @param giveUp ends the connection when the handshake is aborted or takes too long
 * @param earlyDatagrams how many that arrive during the handshake are kept for the session
 */
function awaitFirst<T>(
  { link, clock, timeoutMs }: HandshakeOptions,
  done: (result: T | HyperNatError) => void,
  giveUp: (err: HyperNatError) => void,
  sinkOf: (settle: (result: T | HyperNatError) => void) => FrameSink,
  earlyDatagrams = 0
): () => void {
  let settled = false
  const early: Uint8Array[] = []
  let skipped = 0
  const settle = (
    result: T | HyperNatError,
    end = ({ code, message }: HyperNatError): void => reject(link, code, message)
  ): void => {
    if (settled) return
    settled = true
    timer.cancel()
    link.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
    if (result instanceof HyperNatError) end(result)
    done(result)
    for (const packet of early.splice(0)) link.events.datagram(packet)
  }
  const timer = clock.after(timeoutMs, () => {
    const message = 'The other side opened a connection and sent nothing.'
    settle(new HyperNatError('HANDSHAKE_TIMEOUT', message), giveUp)
  })
  let result: T | HyperNatError | null = null
  const sink = sinkOf(first => {
    result ??= first
  })
  link.events = {
    message(message) {
      // The whole message is read before the result is used: nothing may follow the first frame in it.
      try {
        readMessage(message, sink)
        if (!result && ++skipped > EARLY_MESSAGES) throw protocolError('no handshake in its first messages')
      } catch (err) {
        if (!(result instanceof HyperNatError)) {
          result =
            err instanceof HyperNatError
              ? err
              : new HyperNatError('INTERNAL', `The handshake failed: ${codeOf(err)}.`, { cause: err })
        }
      }
      if (result) settle(result)
    },
    datagram: packet => {
      if (early.length < earlyDatagrams) early.push(b4a.from(packet))
    },
    drain() {},
    path() {},
    close: code =>
      settle(new HyperNatError('CONNECTION_LOST', `The connection ended during the handshake (${code}).`))
  }
  return () => settle(new HyperNatError('CLOSED', 'The handshake was aborted.'), giveUp)
}
