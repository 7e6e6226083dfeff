import { inspect } from 'node:util'

/** What is secret by type: whatever prints, logs or serialises it shows `[secret]`. */
export abstract class Masked {
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
