/** Datagrams through stdin and stdout, for `hyper-nat connect --udp`. */

import { once } from 'node:events'
import { HyperNatError } from '../errors.js'
import { CONNECT_QUIET_MS } from '../limits.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import type { Pipes } from './context.js'

const LINE_FEED = 10

/** Bytes of the length in front of a datagram, big-endian, as DNS over TCP has it. */
const LENGTH = 2

/** How datagrams are told apart in a stream of bytes. */
export type Framing = 'lengths' | 'lines'

/** What a UDP flow and one of a running daemon have in common. */
interface Flow {
  send(payload: Uint8Array): void
  close(): void
  on(name: 'message', listener: (payload: Buffer) => void): unknown
  on(name: 'close', listener: (err?: HyperNatError) => void): unknown
}

/** Cuts bytes into datagrams. */
export class DatagramReader {
  readonly #framing: Framing
  #waiting = Buffer.alloc(0)

  constructor(framing: Framing) {
    this.#framing = framing
  }

  /**
   * The datagrams that are complete with these bytes.
   * @throws HyperNatError BAD_REQUEST for one that is larger than UDP's
   */
  push(bytes: Uint8Array): Buffer[] {
    this.#waiting = Buffer.concat([this.#waiting, bytes])
    const datagrams: Buffer[] = []
    for (;;) {
      const next = this.#framing === 'lines' ? this.#line() : this.#prefixed()
      if (!next) return datagrams
      datagrams.push(next)
    }
  }

  /**
   * The last one, without an end of its line.
   * @throws HyperNatError BAD_REQUEST when the bytes ended within a datagram
   */
  end(): Buffer | undefined {
    if (this.#waiting.length === 0) return undefined
    if (this.#framing === 'lines') return this.#waiting
    throw new HyperNatError('BAD_REQUEST', 'stdin ended within a datagram.')
  }

  #line(): Buffer | undefined {
    const end = this.#waiting.indexOf(LINE_FEED)
    checkSize(end < 0 ? this.#waiting.length : end)
    return end < 0 ? undefined : this.#take(0, end, end + 1)
  }

  #prefixed(): Buffer | undefined {
    if (this.#waiting.length < LENGTH) return undefined
    const size = this.#waiting.readUInt16BE()
    checkSize(size)
    const end = LENGTH + size
    return this.#waiting.length < end ? undefined : this.#take(LENGTH, end, end)
  }

  #take(from: number, to: number, next: number): Buffer {
    const datagram = this.#waiting.subarray(from, to)
    this.#waiting = this.#waiting.subarray(next)
    return datagram
  }
}

function checkSize(size: number): void {
  if (size <= MAX_UDP_PAYLOAD) return
  throw new HyperNatError(
    'BAD_REQUEST',
    `A datagram on stdin has ${size} bytes or more: UDP carries ${MAX_UDP_PAYLOAD}.`
  )
}

/** A datagram as it goes out. */
export function framed(payload: Buffer, framing: Framing): Buffer {
  if (framing === 'lines') return Buffer.concat([payload, Buffer.of(LINE_FEED)])
  const length = Buffer.alloc(LENGTH)
  length.writeUInt16BE(payload.length)
  return Buffer.concat([length, payload])
}

/**
 * Carries datagrams both ways until stdin has ended and no answer has come for a while. What stdout does not take is dropped.
 * @throws HyperNatError BAD_REQUEST for what is no datagram, and why the flow ended
 */
export async function carryDatagrams(
  flow: Flow,
  { input, output, closeOutput }: Pipes,
  framing: Framing
): Promise<void> {
  const reader = new DatagramReader(framing)
  let quiet: NodeJS.Timeout | undefined
  const waitForMore = (): void => {
    clearTimeout(quiet)
    quiet = setTimeout(() => flow.close(), CONNECT_QUIET_MS)
  }
  flow.on('message', payload => {
    if (quiet) waitForMore()
    if (!output.writableNeedDrain) output.write(framed(payload, framing))
  })
  const over = new Promise<void>((resolve, reject) => {
    flow.on('close', err => (err ? reject(err) : resolve()))
    input.on('error', reject)
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (err) {
        reject(err)
      }
    }
    input.on('data', bytes =>
      attempt(() => {
        for (const datagram of reader.push(bytes)) flow.send(datagram)
      })
    )
    input.on('end', () =>
      attempt(() => {
        const last = reader.end()
        if (last) flow.send(last)
        waitForMore()
      })
    )
  })
  try {
    await over
    if (output.writableNeedDrain) await once(output, 'drain')
    await closeOutput()
  } finally {
    clearTimeout(quiet)
    input.destroy()
    flow.close()
  }
}
