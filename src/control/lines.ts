/** Cuts a stream of bytes into lines, of bounded length. */

const LINE_FEED = 10

export class LineReader {
  #parts: Uint8Array[] = []
  #length = 0
  #broken = false
  #detached: ((bytes: Uint8Array) => void) | null = null

  /**
   * @param max bytes of a line, without its line feed
   * @param online gets each line as text
   * @param onlong a line is longer: nothing that follows is read
   */
  constructor(
    readonly max: number,
    readonly online: (line: string) => void,
    readonly onlong: () => void
  ) {}

  /** No more lines: what follows the present one is given as it is. Called from within `online`, or between two pushes. */
  detach(onbytes: (bytes: Uint8Array) => void): void {
    this.#detached = onbytes
  }

  get #isDetached(): boolean {
    return this.#detached !== null
  }

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    if (this.#detached) return this.#detached(bytes)
    let from = 0
    while (!this.#broken) {
      const end = bytes.indexOf(LINE_FEED, from)
      const part = bytes.subarray(from, end < 0 ? undefined : end)
      if (this.#length + part.byteLength > this.max) {
        this.#broken = true
        this.#parts = []
        return this.onlong()
      }
      this.#parts.push(part)
      this.#length += part.byteLength
      if (end < 0) return
      const line = Buffer.concat(this.#parts).toString('utf8')
      this.#parts = []
      this.#length = 0
      from = end + 1
      if (line.trim() !== '') this.online(line)
      if (this.#isDetached) return from < bytes.byteLength ? this.push(bytes.subarray(from)) : undefined
    }
  }
}
