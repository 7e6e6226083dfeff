/** A trace in a file: qlog in its streaming form (draft-ietf-quic-qlog-main-schema, section 5), one record a line. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { codeOf } from '../errors.js'
import type { Clock } from '../util/clock.js'
import type { Trace } from '../util/trace.js'

/** Readable by the owner only: it tells who is connected when. */
const MODE = 0o600

/** What begins each record of a JSON text sequence (RFC 7464). */
const RECORD = '\u001e'

/** Records are written together, at the latest after so long, ms. */
const FLUSH_MS = 500
const FLUSH_BYTES = 64 * 1024

export interface TraceFileDeps {
  readonly clock: Clock
  /** Time of day at the start of the trace, ms since 1970. */
  readonly startedAt: number
  readonly version: string
  /** Bytes from which on nothing more is written. */
  readonly limit: number
  /** The file is full, or the system's code of why it cannot be written; called once. */
  readonly onend: (why: 'full' | { readonly code: string }) => void
}

export class TraceFile {
  #file: number | null
  #waiting = ''
  #size = 0
  readonly #startedAt: number

  /**
   * Replaces what is in the file.
   * @throws the system's error when it cannot be created
   */
  constructor(
    path: string,
    readonly deps: TraceFileDeps
  ) {
    this.#file = openSync(path, 'w', MODE)
    this.#startedAt = deps.clock.now()
    this.#add({
      file_schema: 'urn:ietf:params:qlog:file:sequential',
      serialization_format: 'application/qlog+json-seq',
      title: `hyper-nat ${deps.version}`,
      trace: {
        common_fields: {
          time_format: 'relative_to_epoch',
          reference_time: { clock_type: 'system', epoch: new Date(deps.startedAt).toISOString() }
        },
        vantage_point: { name: 'hyper-nat', type: 'unknown' },
        event_schemas: ['urn:ietf:params:qlog:events:quic', 'urn:hyper-nat:events']
      }
    })
    this.flush()
  }

  readonly trace: Trace = (name, group, data) => {
    const time = Math.round((this.deps.clock.now() - this.#startedAt) * 1000) / 1000
    this.#add({ time, name, group_id: group, data })
  }

  #add(record: object): void {
    if (this.#file === null) return
    if (this.#waiting === '') this.deps.clock.after(FLUSH_MS, () => this.flush())
    this.#waiting += `${RECORD}${JSON.stringify(record)}\n`
    if (this.#waiting.length >= FLUSH_BYTES) this.flush()
  }

  /** Writes what waits. */
  flush(): void {
    if (this.#file === null || this.#waiting === '') return
    const bytes = Buffer.from(this.#waiting)
    this.#waiting = ''
    if (this.#size + bytes.byteLength > this.deps.limit) return this.#end('full')
    try {
      // A partial write would leave a line that nothing can read.
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#file, bytes, at)
      this.#size += bytes.byteLength
    } catch (err) {
      this.#end({ code: codeOf(err) })
    }
  }

  close(): void {
    this.flush()
    this.#close()
  }

  #end(why: 'full' | { readonly code: string }): void {
    this.#close()
    this.deps.onend(why)
  }

  /** The number is free afterwards, also where the system reports an error, for which a trace is no reason to fail. */
  #close(): void {
    const file = this.#file
    this.#file = null
    try {
      if (file !== null) closeSync(file)
    } catch {
      // The end of the trace may be missing.
    }
  }
}
