/**
 * Notices that a file, or one that it depends on, has changed, by looking at it. The system's own notices miss files that are replaced, as editors and
 * {@link ./edit.ts} do, and network drives; looking costs next to nothing.
 */

import { stat } from 'node:fs/promises'
import type { Clock, Timer } from '../util/clock.js'

export class FileWatch {
  readonly #paths: readonly string[]
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #onchange: () => Promise<void>
  #timer: Timer | null = null
  #seen: string | null = null
  #told: string | null = null
  #closed = false

  /**
   * @param paths the file, then others that need not be there
   * @param everyMs between two looks. A file counts as changed once it was the same twice: it may be in the middle of being written
   * @param onchange called soon after the start, too: the file may have changed since it was read. When it rejects, the file could not
   * be read, and it is called again
   */
  constructor(paths: readonly string[], clock: Clock, everyMs: number, onchange: () => Promise<void>) {
    this.#paths = paths
    this.#clock = clock
    this.#everyMs = everyMs
    this.#onchange = onchange
    this.#later()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #later(): void {
    if (this.#closed) return
    this.#timer = this.#clock.after(this.#everyMs, () => {
      void this.#look().finally(() => this.#later())
    })
  }

  async #look(): Promise<void> {
    const [own, ...others] = await Promise.all(this.#paths.map(stampOf))
    const stamp = own === null ? null : [own, ...others].join('\n')
    const steady = stamp !== null && stamp === this.#seen
    this.#seen = stamp
    if (!steady || stamp === this.#told || this.#closed) return
    this.#told = stamp
    await this.#onchange().catch(() => {
      this.#told = null
    })
  }
}

/** Null while there is no such file; a pipe can be read only once. */
async function stampOf(path: string): Promise<string | null> {
  try {
    const file = await stat(path, { bigint: true })
    return file.isFile() ? `${file.dev} ${file.ino} ${file.size} ${file.mtimeNs}` : null
  } catch {
    return null
  }
}
