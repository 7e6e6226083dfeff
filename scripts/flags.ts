// The command lines of scripts: what they say, or what to print in place of running.
import { codeOf } from '../src/errors.js'

/** What a script is not run for: its usage was asked for, or something is wrong. */
export type NoRun = { readonly help: string } | { readonly fault: string }

/** @param parse calls `parseArgs` of Node.js with an option `help` */
export function readFlags<P extends { readonly values: { readonly help?: boolean } }>(
  parse: () => P,
  usage: string
): P | NoRun {
  try {
    const parsed = parse()
    return parsed.values.help ? { help: usage } : parsed
  } catch (err) {
    if (!codeOf(err).startsWith('ERR_PARSE_ARGS_')) throw err
    return wrongFlags((err as Error).message, usage)
  }
}

export function wrongFlags(what: string, usage: string): NoRun {
  return { fault: `${what}\n\n${usage}` }
}

/** @returns the exit code */
export function tellNoRun(told: NoRun): 0 | 2 {
  if ('help' in told) {
    console.log(told.help)
    return 0
  }
  console.error(told.fault)
  return 2
}
