/** Log file with one rotation: when it is full, it replaces FILE.1, or begins anew where that cannot be replaced. */
import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** Readable by the owner only: it names keys, guests and ports. */
const MODE = 0o600

export class LogFile {
  readonly path: string
  readonly #limit: number
  readonly #onfail: (code: string, path: string) => void
  #file: number | null = null
  #size = 0
  #failed = false
  /** Whether it was told that FILE.1 cannot be replaced. */
  #isKept = false

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
      const bytes = Buffer.from(line)
      if (this.#file === null) this.#open()
      if (this.#size > 0 && this.#size + bytes.byteLength > this.#limit) this.#rotate()
      // On a disk that is nearly full, a part.
      for (let at = 0; at < bytes.byteLength; ) at += this.#append(bytes.subarray(at))
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

  #append(bytes: Uint8Array): number {
    const written = writeSync(this.#file!, bytes)
    this.#size += written
    return written
  }

  #rotate(): void {
    const older = `${this.path}.1`
    // Windows cannot rename an open file.
    this.close()
    const fault = faultOf(() => renameSync(this.path, older))
    this.#open()
    const wasKept = this.#isKept
    this.#isKept = fault !== null
    if (fault === null) return
    // What was in it goes, and not what is to come.
    ftruncateSync(this.#file!)
    this.#size = 0
    if (!wasKept) this.#onfail(fault, older)
  }

  #try(action: () => void): void {
    try {
      action()
      this.#failed = false
    } catch (err) {
      if (this.#failed) return
      this.#failed = true
      this.#onfail(codeOf(err), this.path)
    }
  }
}

/** The system's code of why something failed; null if it did not. */
function faultOf(action: () => void): string | null {
  try {
    action()
    return null
  } catch (err) {
    return codeOf(err)
  }
}
