/**
 * When each guest of a server was seen last, in a small file beside the options: the one place that the daemon and
 * `hyper-nat invites` both know. Losing it loses no more than these times.
 */

import { readFile } from 'node:fs/promises'
import writeFileAtomic from 'write-file-atomic'
import type { Clock, Timer } from '../clock.js'

/** Milliseconds since 1970, by the server's public key and then the guest's name. */
export type SeenTimes = Map<string, Map<string, number>>

/** Guests of whom it is remembered, per server: more than one file has invites for. */
const NAMES_MAX = 4096

/** `options.seen.json` for `options.json`. */
export function seenFile(optionsFile: string): string {
  return `${optionsFile.replace(/\.jsonc?$/i, '')}.seen.json`
}

/** What the file holds; nothing if there is none, or it is damaged. */
export async function readSeen(file: string): Promise<SeenTimes> {
  const times: SeenTimes = new Map()
  try {
    const servers = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, string>>
    for (const [publicKey, names] of Object.entries(servers)) {
      const own = new Map<string, number>()
      for (const [name, text] of Object.entries(names)) {
        const ms = Date.parse(text)
        if (!Number.isNaN(ms)) own.set(name, ms)
      }
      times.set(publicKey, own)
    }
  } catch {
    // It is written anew.
  }
  return times
}

export class LastSeen {
  readonly #file: string
  readonly #clock: Clock
  readonly #timeOfDay: () => number
  readonly #everyMs: number
  #noted: SeenTimes = new Map()
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()
  #failed = false

  /**
   * @param everyMs between two writes at the least
   * @param onfail called once, with why, when the file cannot be written
   */
  constructor(
    file: string,
    clock: Clock,
    timeOfDay: () => number,
    everyMs: number,
    readonly onfail: (err: unknown) => void
  ) {
    this.#file = file
    this.#clock = clock
    this.#timeOfDay = timeOfDay
    this.#everyMs = everyMs
  }

  /** A guest is here now. Written at once when that was not done for a while. */
  note(publicKey: string, name: string): void {
    const names = this.#noted.get(publicKey) ?? new Map<string, number>()
    names.set(name, this.#timeOfDay())
    this.#noted.set(publicKey, names)
    if (this.#timer) return
    this.#write()
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.#timer = null
      if (this.#noted.size > 0) this.#write()
    })
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    if (this.#noted.size > 0) this.#write()
    await this.#writing
  }

  #write(): void {
    const noted = this.#noted
    this.#noted = new Map()
    this.#writing = this.#writing
      .then(() => this.#merge(noted))
      .catch(err => {
        if (!this.#failed) this.onfail(err)
        this.#failed = true
      })
  }

  /** Another process may serve another secret of the same file. */
  async #merge(noted: SeenTimes): Promise<void> {
    const times = await readSeen(this.#file)
    for (const [publicKey, names] of noted) {
      const all = [...(times.get(publicKey) ?? []), ...names].sort(([, a], [, b]) => a - b)
      times.set(publicKey, new Map([...new Map(all)].slice(-NAMES_MAX)))
    }
    const servers = [...times].map(([publicKey, names]) => [
      publicKey,
      Object.fromEntries([...names].map(([name, ms]) => [name, new Date(ms).toISOString()]))
    ])
    await writeFileAtomic(this.#file, `${JSON.stringify(Object.fromEntries(servers), null, 2)}\n`, {
      mode: 0o600
    })
  }
}
