/** What the CLI says, in either of its two voices: text for people, or JSON lines for programs. */

import { codeOf, type Fault, HyperNatError, OptionsError } from '../errors.js'
import type { DaemonEvent, ServiceEvent } from '../events.js'
import type { Warning } from '../options/entry.js'
import type { Answer } from './command.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'
import { EventText, type TargetEvent, type TextExtras } from './event-text.js'
import type { LiveLine } from './live-status.js'
import { inOwnWords, NAME } from './own-name.js'

export interface Output {
  event(event: DaemonEvent | ServiceEvent): void
  warning(warning: Warning): void
  /** All that a command has to say. */
  answer(answer: Answer): void
  /** Something that was done besides the events, for people. */
  note(text: string): void
  /** A secret that was generated: printed once, with the first `ready`. */
  generatedSecret(secret: string): void
  /**
   * Why the command ends.
   * @param subject what could not be used (`options.json`, `hyper-nat server`), before a list of faults
   */
  failure(err: unknown, subject: string): void
  /** Something for people who started without telling what to do; nothing for programs. */
  advice(text: string): void
  /** Nothing more comes. */
  close(): void
}

type Streams = Pick<CliContext, 'stdout' | 'stderr'> & Partial<Pick<CliContext, 'name'>>

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

  close(): void {}

  #line(value: object): void {
    this.#streams.stdout(`${JSON.stringify(value)}\n`)
  }
}

/** Longer than looking at all programs takes, ms. */
const TOGETHER_MS = 200

/** Codes of the terminal (ECMA-48). */
const BOLD = '1'
const GREEN = '32'
const YELLOW = '33'

const STYLES: Readonly<Record<string, string>> = { connected: GREEN, disconnected: YELLOW, waiting: YELLOW }

/** What is to be run on the other computer. */
const TO_PASTE = /^ {2}hyper-nat join \S+.*$/m

function styled(code: string, text: string): string {
  return `\u001b[${code}m${text}\u001b[0m`
}

/** Text: what happens on stdout, what goes wrong on stderr. */
export class TextOutput implements Output {
  readonly #streams: Streams
  readonly #name: string
  readonly #quiet: boolean
  readonly #text: EventText
  readonly #interactive: boolean
  readonly #colour: boolean
  readonly #live: LiveLine | undefined
  /** Generated, and not printed yet: the ticket comes first. */
  #secret: string | undefined
  #started = false
  /** Programs found running or missing, which are told together: a range of ports may have hundreds. */
  readonly #targets = new Map<string, TargetEvent>()

  /**
   * @param quiet print only tickets, and what goes wrong
   * @param bootstrap DHT nodes that the other side needs too
   */
  constructor(streams: Streams, quiet: boolean, bootstrap: readonly string[] = [], extras: TextExtras = {}) {
    this.#interactive = extras.interactive ?? false
    this.#colour = extras.colour ?? false
    this.#live = extras.live
    this.#streams = extras.live?.streams ?? streams
    this.#name = streams.name ?? NAME
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
    if (event.event === 'target' && !this.#quiet) {
      const { publicKey, proto, port, host } = event
      if (this.#targets.size === 0) setTimeout(() => this.#tellTargets(), TOGETHER_MS).unref()
      this.#targets.set(`${publicKey} ${proto} ${port} ${host}`, event)
      return this.#live?.note(event)
    }
    this.#tellTargets()
    if (event.event === 'error') this.#complain(`error ${event.code}: ${event.message}\n`)
    else if (event.event === 'ready') this.#ready(event)
    else if (this.#quiet) return
    else if (event.event === 'warning') this.#complain(`warning ${event.code}: ${event.message}\n`)
    else {
      const text = this.#text.of(event)
      if (text !== '') this.#streams.stdout(this.#paint(event.event, text))
    }
    this.#live?.note(event)
  }

  close(): void {
    this.#tellTargets()
    this.#live?.close()
  }

  #tellTargets(): void {
    const targets = [...this.#targets.values()]
    this.#targets.clear()
    if (targets.length > 0) this.#streams.stdout(this.#text.targets(targets))
  }

  /** The text of an event in its colour, its line to paste in bold. */
  #paint(name: string, text: string): string {
    if (!this.#colour) return text
    const style = STYLES[name]
    if (style === undefined) return text.replace(TO_PASTE, line => styled(BOLD, line))
    return `${styled(style, text.trimEnd())}\n`
  }

  #ready(event: Extract<DaemonEvent | ServiceEvent, { event: 'ready' }>): void {
    if (!this.#quiet) this.#streams.stdout(this.#paint(event.event, this.#text.of(event)))
    else if (event.mode === 'server' && event.ticket) this.#streams.stdout(`${event.ticket}\n`)
    if (this.#secret !== undefined) this.#printSecret(this.#secret)
    this.#secret = undefined
    if (!this.#quiet && this.#interactive && !this.#started) this.#streams.stdout('Press Ctrl-C to stop.\n')
    this.#started = true
  }

  #printSecret(secret: string): void {
    // Even when quiet, though not among the tickets: this is the only chance to learn it.
    if (this.#quiet) return this.#streams.stderr(`secret: ${secret}\n`)
    this.#streams.stdout(
      `Secret, generated for this run and shown only now\n  ${secret}\n` +
        'For the same ticket next time, save it in a file and start with --secret-file FILE; --save-secret FILE makes such a file. Keep it to yourself.\n'
    )
  }

  warning({ path, message }: Warning): void {
    if (!this.#quiet) this.#complain(`warning: ${path}: ${message}\n`)
  }

  generatedSecret(secret: string): void {
    this.#secret = secret
  }

  failure(err: unknown, subject: string): void {
    if (err instanceof OptionsError) {
      const faults = err.faults.map(({ path, message }) => `  ${path ? `${path}: ` : ''}${message}\n`)
      this.#complain(
        `${subject}: ${counted(faults.length, 'error')}; nothing was started\n${faults.join('')}`
      )
    } else if (err instanceof HyperNatError) {
      this.#complain(`error ${err.code}: ${err.message}\n`)
    } else {
      this.#complain(`error ${codeOf(err)}: ${faultsOf(err)[0]!.message}\n`)
    }
  }

  advice(text: string): void {
    this.#streams.stderr(text)
  }

  /** Commands that it names are typed as this program was started. */
  #complain(text: string): void {
    this.#streams.stderr(inOwnWords(text, this.#name))
  }
}
