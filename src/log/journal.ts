/** Ring buffer of a daemon's recent events and log lines, limited in number and in bytes. */
import type { ControlLimits } from '../limits.js'

export class Journal {
  readonly #lines: string[] = []
  #bytes = 0
  readonly #listeners = new Set<(line: string) => void>()

  constructor(readonly limits: Pick<ControlLimits, 'journalLines' | 'journalBytes' | 'journalLineBytes'>) {}

  /** Appends one line: a JSON object, with or without a trailing line feed. Lines above the limit are dropped. */
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

  /** The latest `most` lines, oldest first. */
  last(most: number): string[] {
    return most <= 0 ? [] : this.#lines.slice(-most)
  }

  /** Calls `listener` with every new line. @returns a function that removes it */
  follow(listener: (line: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}
