/**
 * What is done to install a service, as a list of steps: made by pure functions, one for each system, so that it can be shown
 * before it is done, and be tested on another system.
 */

/** One thing to do. */
export type Step =
  /** Writes a file, and the folders above it. */
  | {
      readonly do: 'write'
      readonly path: string
      readonly text: string
      /** Permission bits; of no meaning on Windows. */
      readonly mode: number
      readonly encoding?: 'utf8' | 'utf16le'
    }
  | { readonly do: 'remove'; readonly path: string }
  /** Runs a program; `mayFail` where it has nothing to do when that was done before. */
  | { readonly do: 'run'; readonly command: readonly string[]; readonly mayFail?: true }

/** How a service is installed, removed and asked about. */
export interface ServicePlan {
  readonly install: readonly Step[]
  readonly uninstall: readonly Step[]
  /** Prints how the service is; ends with 0 while it runs. */
  readonly status: readonly string[]
  /** Notes for the user. */
  readonly notes: readonly string[]
}

/** What is to run, as whom. */
export interface ServiceParts {
  /** `user`: while this user is logged in. `system`: from the start of the machine on. */
  readonly scope: 'user' | 'system'
  /** What starts hyper-nat, absolute: Node and the file that it runs, or a single-file program. */
  readonly program: readonly string[]
  /** The options file, absolute. */
  readonly options: string
  /** Files beside the options that the daemon writes: an identity, a log; absolute. */
  readonly identity?: string | undefined
  readonly logFile?: string | undefined
  /** The control folder that the options name, absolute; false: they want none. */
  readonly control?: string | false | undefined
  /** Unix sockets that are listened on here, and those of programs that are shared; none if left out. */
  readonly sockets?: readonly string[]
  readonly targetSockets?: readonly string[]
  /** The names of friends in the options file, and the TLS files that it names; none if left out. */
  readonly friends?: readonly string[]
  readonly tlsFiles?: readonly string[]
  /** Whose the options file is: name or number; null for root, and where files have no owner to speak of. */
  readonly owner: string | null
  /** The user's home folder and folder for settings, absolute. */
  readonly home: string
  readonly config: string
  /** The user's number, and name as Windows writes it: `DOMAIN\name`. */
  readonly uid: number
  readonly account: string
  /** Whether ports below 1024 are to be opened here. */
  readonly lowPorts: boolean
}

/** The name and description of services. */
export const SERVICE_NAME = 'hyper-nat'
export const SERVICE_DESCRIPTION = "hyper-nat: ports of friends' computers"

/** For systems that quote as XML does. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** The steps for people. */
export function stepsText(steps: readonly Step[]): string {
  return steps.map(stepText).join('')
}

function stepText(step: Step): string {
  if (step.do === 'remove') return `remove ${step.path}\n`
  if (step.do === 'run') return `run ${step.command.map(shownWord).join(' ')}\n`
  const lines = step.text.trimEnd().split(/\r?\n/)
  return `write ${step.path}\n${lines.map(line => `  ${line}`.trimEnd()).join('\n')}\n`
}

function shownWord(word: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(word) ? word : `"${word}"`
}
