/** The last events and log lines of a daemon, for whoever asks what has happened. Bounded in number and in bytes. */
import type { ControlLimits } from '../limits.js'

export class Journal {
  readonly #lines: string[] = []
  #bytes = 0
  readonly #listeners = new Set<(line: string) => void>()

  constructor(readonly limits: Pick<ControlLimits, 'journalLines' | 'journalBytes' | 'journalLineBytes'>) {}

  /** Keeps one line: a JSON object, with or without a line feed behind it. A longer one than is kept is left out. */
  add(text: string): void {
    const line = text.trimEnd()
    const size = Buffer.byteLength(line)
    const { journalLines, journalBytes, journalLineBytes } = this.limits
    if (size > journalLineBytes) return
    this.#lines.push(line)
    this.#bytes += size
    while (this.#lines.length > journalLines || this.#bytes > journalBytes) {
      this.#bytes -= Buffer.byteLength(this.#lines.shift()!)
    }
    for (const listener of this.#listeners) listener(line)
  }

  /** @param most how many at the most: the latest, the oldest of them first */
  last(most: number): string[] {
    return most <= 0 ? [] : this.#lines.slice(-most)
  }

  /** @returns a function that ends it */
  follow(listener: (line: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}
