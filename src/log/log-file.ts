/** Log file with one rotation: when it is full, it replaces FILE.1. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** Readable by the owner only: it names keys, guests and ports. */
const MODE = 0o600

export class LogFile {
  readonly path: string
  readonly #limit: number
  readonly #onfail: (code: string) => void
  #file: number | null = null
  #size = 0
  #failed = false

  /**
   * Opens or creates the file.
   * @param limit size in bytes at which it is rotated
   * @param onfail called with the system's code when writing fails; once, until it works again
   */
  constructor(path: string, limit: number, onfail: (code: string) => void) {
    this.path = path
    this.#limit = limit
    this.#onfail = onfail
    this.#try(() => this.#open())
  }

  /** Appends a line, given with its line break, synchronously: a crash loses nothing. */
  readonly write = (line: string): void => {
    this.#try(() => {
      const bytes = Buffer.from(line)
      if (this.#file === null) this.#open()
      if (this.#size > 0 && this.#size + bytes.byteLength > this.#limit) this.#rotate()
      this.#size += writeSync(this.#file!, bytes)
    })
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
  }

  #open(): void {
    this.#file = openSync(this.path, 'a', MODE)
    this.#size = fstatSync(this.#file).size
  }

  #rotate(): void {
    // Windows cannot rename an open file.
    this.close()
    renameSync(this.path, `${this.path}.1`)
    this.#open()
  }

  #try(action: () => void): void {
    try {
      action()
      this.#failed = false
    } catch (err) {
      if (this.#failed) return
      this.#failed = true
      this.#onfail(codeOf(err))
    }
  }
}
