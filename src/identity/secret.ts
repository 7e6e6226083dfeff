import { Masked } from './masked.js'

/** A string that server keys come from. Only {@link reveal} gives the text. */
export class Secret extends Masked {
  readonly #text: string

  constructor(text: string) {
    super()
    this.#text = text
  }

  /** The text itself. Call it where keys are derived, and where a fresh secret is shown once; nowhere else. */
  reveal(): string {
    return this.#text
  }
}
