/** What the CLI says, in either of its two voices: text for people, or JSON lines for programs. */

import { codeOf, type Fault, HyperNatError, OptionsError } from '../errors.js'
import type { DaemonEvent, ServiceEvent } from '../events.js'
import type { Warning } from '../options/entry.js'
import type { Answer } from './command.js'
import type { CliContext } from './context.js'
import { EventText, type TextExtras } from './event-text.js'

export interface Output {
  event(event: DaemonEvent | ServiceEvent): void
  warning(warning: Warning): void
  /** All that a command has to say. */
  answer(answer: Answer): void
  /** Something that was done beside the events, for people. */
  note(text: string): void
  /** A secret that we made: shown this once. */
  generatedSecret(secret: string): void
  /**
   * Why the command ends.
   * @param subject what could not be used (`options.json`, `hyper-nat server`), before a list of faults
   */
  failure(err: unknown, subject: string): void
  /** Something for people who started without telling what to do; nothing for programs. */
  advice(text: string): void
}

type Streams = Pick<CliContext, 'stdout' | 'stderr'>

/** Every fault of an error, or the error itself as the only one. */
function faultsOf(err: unknown): readonly Fault[] {
  if (err instanceof OptionsError) return err.faults
  return [{ path: '', message: err instanceof Error ? err.message : String(err) }]
}

/** One JSON object per line on stdout, and nothing else there. */
export class JsonOutput implements Output {
  readonly #streams: Streams

  constructor(streams: Streams) {
    this.#streams = streams
  }

  event(event: DaemonEvent | ServiceEvent): void {
    this.#line(event)
  }

  warning({ code, path, message }: Warning): void {
    this.#line({ event: 'warning', code, message, path })
  }

  generatedSecret(secret: string): void {
    const message = `no secret was given, so one was made: ${secret}`
    this.#line({ event: 'warning', code: 'GENERATED_SECRET', message, secret })
  }

  answer({ json }: Answer): void {
    this.#line(json)
  }

  note(): void {}

  failure(err: unknown): void {
    const code = codeOf(err)
    for (const { path, message, code: own = code } of faultsOf(err)) {
      this.#line({ event: 'error', code: own, message, ...(path !== '' && { path }) })
    }
  }

  advice(): void {}

  #line(value: object): void {
    this.#streams.stdout(`${JSON.stringify(value)}\n`)
  }
}

/** Text: what happens on stdout, what goes wrong on stderr. */
export class TextOutput implements Output {
  readonly #streams: Streams
  readonly #quiet: boolean
  readonly #text: EventText

  /**
   * @param quiet say only what went wrong
   * @param bootstrap DHT nodes that the other side needs too
   */
  constructor(streams: Streams, quiet: boolean, bootstrap: readonly string[] = [], extras: TextExtras = {}) {
    this.#streams = streams
    this.#quiet = quiet
    this.#text = new EventText(bootstrap, extras)
  }

  answer({ text, hint = '' }: Answer): void {
    this.#streams.stdout(text)
    if (!this.#quiet && hint !== '') this.#streams.stderr(hint)
  }

  note(text: string): void {
    if (!this.#quiet) this.#streams.stdout(text)
  }

  event(event: DaemonEvent | ServiceEvent): void {
    if (event.event === 'error') this.#streams.stderr(`error ${event.code}: ${event.message}\n`)
    else if (this.#quiet) return
    else if (event.event === 'warning') this.#streams.stderr(`warning ${event.code}: ${event.message}\n`)
    else this.#streams.stdout(this.#text.of(event))
  }

  warning({ path, message }: Warning): void {
    if (!this.#quiet) this.#streams.stderr(`warning: ${path}: ${message}\n`)
  }

  generatedSecret(secret: string): void {
    // Even when quiet: this is the only chance to learn it.
    this.#streams.stdout(
      `No secret was given, so one was made; it is shown only now:\n\n  ${secret}\n\n` +
        'Keep it, and give it with --secret-file or HYPER_NAT_SECRET next time: the same secret gives the same\n' +
        'public key. Whoever knows it can pose as this server.\n\n'
    )
  }

  failure(err: unknown, subject: string): void {
    if (err instanceof OptionsError) {
      const faults = err.faults.map(({ path, message }) => `  ${path ? `${path}: ` : ''}${message}\n`)
      const many = faults.length === 1 ? 'a fault' : `${faults.length} faults`
      this.#streams.stderr(`${subject}: ${many}, nothing was done\n${faults.join('')}`)
    } else if (err instanceof HyperNatError) {
      this.#streams.stderr(`error ${err.code}: ${err.message}\n`)
    } else {
      this.#streams.stderr(`error ${codeOf(err)}: ${faultsOf(err)[0]!.message}\n`)
    }
  }

  advice(text: string): void {
    this.#streams.stderr(text)
  }
}
