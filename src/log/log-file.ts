/** A file that lines are appended to, of a bounded size: when it is full, it becomes FILE.1 in place of the one before. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** For the owner alone: it names keys, guests and ports. */
const MODE = 0o600

export class LogFile {
  readonly path: string
  readonly #limit: number
  readonly #onfail: (code: string) => void
  #file: number | null = null
  #size = 0
  #failed = false

  /**
   * Opens the file, or makes it.
   * @param limit bytes from which on a new one begins; there are two at the most
   * @param onfail hears the system's code when lines cannot be written; once, until they can again
   */
  constructor(path: string, limit: number, onfail: (code: string) => void) {
    this.path = path
    this.#limit = limit
    this.#onfail = onfail
    this.#try(() => this.#open())
  }

  /** Appends a line with its line break. It is in the file when this returns, so that a crash loses nothing. */
  readonly write = (line: string): void => {
    this.#try(() => {
      const bytes = Buffer.from(line)
      if (this.#file === null) this.#open()
      if (this.#size > 0 && this.#size + bytes.byteLength > this.#limit) this.#turn()
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

  #turn(): void {
    // Windows renames no open file.
    this.close()
    renameSync(this.path, `${this.path}.1`)
    this.#open()
  }

  #try(act: () => void): void {
    try {
      act()
      this.#failed = false
    } catch (err) {
      if (this.#failed) return
      this.#failed = true
      this.#onfail(codeOf(err))
    }
  }
}
