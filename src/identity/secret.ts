import { inspect } from 'node:util'

/**
 * A string that server keys come from. Masked by type: whatever prints, logs or serialises it shows `[secret]`,
 * and only {@link reveal} gives the text.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Call it where keys are derived, and where a fresh secret is shown once; nowhere else. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
