/**
 * The first two messages of a connection: HELLO, in which the client proves that it knows the shared key, and WELCOME.
 * Until then nothing else is understood, and nothing is told.
 */
import b4a from 'b4a'
import sodium from 'sodium-native'
import { codeOf, type ErrorCode, HyperNatError } from '../errors.js'
import type { Clock } from '../util/clock.js'
import { protocolError } from '../wire/bytes.js'
import { KEY_BYTES, VERSION } from '../wire/constants.js'
import {
  closeFrame,
  type FrameSink,
  type Hello,
  helloFrame,
  readMessage,
  type Welcome
} from '../wire/frames.js'
import type { Link } from '../wire/link.js'

const PROOF_CONTEXT = b4a.from('hyper-nat/2/hello')

/** Sinks for the frames that make no sense in a state. */
const outOfTurn = (): never => {
  throw protocolError('a frame out of its turn')
}

/** Refuses greetings: for a session that has had its own. */
export const refuseGreetings = { hello: outOfTurn, welcome: outOfTurn }

const refuseAll: FrameSink = {
  ...refuseGreetings,
  close: outOfTurn,
  ping: outOfTurn,
  pong: outOfTurn,
  maps: outOfTurn,
  open: outOfTurn,
  data: outOfTurn,
  fin: outOfTurn,
  reset: outOfTurn,
  window: outOfTurn
}

/**
 * BLAKE2b-256 of a context and the handshake hash, keyed with the shared public key. Who knows only the announced key
 * cannot make it, and it is worth nothing in another handshake.
 */
export function proofOf(sharedKey: Uint8Array, handshakeHash: Uint8Array): Uint8Array {
  const proof = b4a.alloc(KEY_BYTES)
  sodium.crypto_generichash(proof, b4a.concat([PROOF_CONTEXT, handshakeHash]), sharedKey)
  return proof
}

export interface Greeting {
  readonly link: Link
  readonly sharedKey: Uint8Array
  readonly clock: Clock
  /** How long the other side may take, ms. */
  readonly timeoutMs: number
}

/** Tells the other side why, and ends the connection. */
export function turnAway(link: Link, code: ErrorCode, reason: string): void {
  const frame = closeFrame(code, reason)
  const message = link.alloc(frame.byteLength)
  message.set(frame)
  link.write(message)
  link.close()
}

/**
 * Greets a server. Calls `done` once: with its WELCOME, in the same turn as it arrives, or with the error that ended it.
 * @returns a function that gives up
 */
export function greetServer(
  greeting: Greeting,
  hello: Pick<Hello, 'datagramKey' | 'resume'>,
  done: (result: Welcome | HyperNatError) => void
): () => void {
  const { link, sharedKey } = greeting
  const frame = helloFrame({ version: VERSION, proof: proofOf(sharedKey, link.handshakeHash), ...hello })
  const give = awaitFirst(greeting, done, settle => ({
    ...refuseAll,
    welcome: welcome => {
      const { resume } = hello
      if (welcome.version !== VERSION) {
        settle(
          new HyperNatError('VERSION_MISMATCH', 'The server runs another version of hyper-nat: use the same.')
        )
      } else if (welcome.resumed && !(resume && b4a.equals(welcome.session, resume.session))) {
        throw protocolError('a session that was not asked for')
      } else settle(welcome)
    },
    close: (code, reason) => settle(new HyperNatError(code, reason || `The server refused (${code}).`))
  }))
  const message = link.alloc(frame.byteLength)
  message.set(frame)
  link.write(message)
  return give
}

/**
 * Hears out a client. Calls `done` once: with its HELLO when its proof is right; a wrong one is turned away here.
 * @returns a function that gives up
 */
export function greetClient(greeting: Greeting, done: (result: Hello | HyperNatError) => void): () => void {
  const { link, sharedKey } = greeting
  return awaitFirst(greeting, done, settle => ({
    ...refuseAll,
    hello: hello => {
      if (hello.version !== VERSION) {
        const reason = 'The server runs another version of hyper-nat: use the same on both sides.'
        settle(new HyperNatError('VERSION_MISMATCH', reason))
      } else if (!sodium.sodium_memcmp(hello.proof, proofOf(sharedKey, link.handshakeHash))) {
        settle(
          new HyperNatError('WRONG_KEY', "The public key is not this server's: copy it again from its owner.")
        )
      } else settle(hello)
    }
  }))
}

function awaitFirst<T>(
  greeting: Greeting,
  done: (result: T | HyperNatError) => void,
  sinkOf: (settle: (result: T | HyperNatError) => void) => FrameSink
): () => void {
  const { link } = greeting
  let settled = false
  const settle = (result: T | HyperNatError): void => {
    if (settled) return
    settled = true
    timer.cancel()
    link.events = { message() {}, datagram() {}, drain() {}, close() {} }
    if (result instanceof HyperNatError) turnAway(link, result.code, result.message)
    done(result)
  }
  const timer = greeting.clock.after(greeting.timeoutMs, () =>
    settle(
      new HyperNatError('HANDSHAKE_TIMEOUT', 'The other side opened a connection and then said nothing.')
    )
  )
  let result: T | HyperNatError | null = null
  const sink = sinkOf(first => {
    result ??= first
  })
  link.events = {
    message(message) {
      // The whole message is read before anything is told: nothing may follow a greeting in it.
      try {
        readMessage(message, sink)
      } catch (err) {
        if (!(result instanceof HyperNatError)) {
          result =
            err instanceof HyperNatError
              ? err
              : new HyperNatError('INTERNAL', `Greeting failed: ${codeOf(err)}.`, { cause: err })
        }
      }
      if (result) settle(result)
    },
    datagram() {},
    drain() {},
    close: code =>
      settle(new HyperNatError('CONNECTION_LOST', `The connection ended before it began (${code}).`))
  }
  return () => settle(new HyperNatError('CLOSED', 'Given up.'))
}
