/**
 * Log file with one rotation: when it is full, it replaces FILE.1, or is emptied where that cannot be replaced. What is no file, such as
 * /dev/stdout, is never full. Several processes may write to one file, and other programs may move it away.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, realpathSync, renameSync, writeSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** Readable by the owner only: it names keys, guests and ports. */
const MODE = 0o600

export class LogFile {
  readonly path: string
  readonly #limit: number
  readonly #onfail: (code: string, path: string) => void
  #file: number | null = null
  /** Whether the end of the last line is missing, for want of room. */
  #isTorn = false
  /** Files that cannot be written, which was reported. */
  readonly #failed = new Set<string>()

  /**
   * Opens or creates the file.
   * @param limit size in bytes at which it is rotated
   * @param onfail called with the system's code, and the file, when it cannot be written or replaced; once, until it works again
   */
  constructor(path: string, limit: number, onfail: (code: string, path: string) => void) {
    this.path = path
    this.#limit = limit
    this.#onfail = onfail
    this.#try(() => this.#open())
  }

  /** Appends a line, given with its line break, synchronously: a crash loses nothing. */
  readonly write = (line: string): void => {
    this.#try(() => {
      const bytes = Buffer.from(this.#isTorn ? `\n${line}` : line)
      // Nobody would find a line in it.
      if (this.#isDeleted()) this.close()
      if (this.#file === null) this.#open()
      if (this.#isFull(bytes.byteLength)) {
        this.close()
        this.#open()
        // Otherwise somebody else has put a new one in its place.
        if (this.#isFull(bytes.byteLength)) this.#rotate()
      }
      // On a disk that is nearly full, a part.
      for (let at = 0; at < bytes.byteLength; ) {
        at += writeSync(this.#file!, bytes, at)
        this.#isTorn = at < bytes.byteLength
      }
    })
  }

  close(): void {
    const file = this.#file
    // The number is free afterwards, also where the system reports an error, and may be that of a socket soon.
    this.#file = null
    if (file !== null) closeSync(file)
  }

  #open(): void {
    this.#file = openSync(this.path, 'a', MODE)
  }

  #isDeleted(): boolean {
    if (this.#file === null) return false
    const stat = fstatSync(this.#file)
    return stat.isFile() && stat.nlink === 0
  }

  /** Whether this many more bytes exceed the limit; what other processes have written counts. */
  #isFull(more: number): boolean {
    const stat = fstatSync(this.#file!)
    return stat.isFile() && stat.size > 0 && stat.size + more > this.#limit
  }

  #rotate(): void {
    // Windows cannot rename an open file.
    this.close()
    const isFree = this.#try(() => {
      // A link stays, and leads to the new file.
      const file = realpathSync(this.path)
      renameSync(file, `${file}.1`)
    }, `${this.path}.1`)
    this.#open()
    if (isFree) return
    // The older lines are lost rather than the newer ones.
    ftruncateSync(this.#file!)
  }

  /** @returns whether it worked; if not, that was reported once */
  #try(action: () => void, path = this.path): boolean {
    try {
      action()
      this.#failed.delete(path)
      return true
    } catch (err) {
      if (!this.#failed.has(path)) {
        this.#failed.add(path)
        this.#onfail(codeOf(err), path)
      }
      return false
    }
  }
}
