// What a command line of the bench asks for.
import { parseArgs } from 'node:util'
import { type NoRun, readFlags, wrongFlags } from '../flags.js'

/** The names that can be chosen from. */
export interface Choices {
  readonly measures: readonly string[]
  /** Those of them that take hours: measured only where they are named. */
  readonly long: readonly string[]
  readonly contenders: readonly string[]
  /** How many lines there are. */
  readonly lines: number
}

export interface Plan {
  readonly only: readonly string[]
  readonly contenders: readonly string[]
  readonly rounds: number
  /** In percent. */
  readonly losses: readonly number[]
  /** Of the first round's losses over the lines. */
  readonly seed: number
  /** Numbers of lines, from 1. */
  readonly lines: readonly number[]
  /** How many guests one server has at once. */
  readonly guests: number
}

const options = {
  only: { type: 'string' },
  rounds: { type: 'string' },
  contenders: { type: 'string' },
  losses: { type: 'string' },
  seed: { type: 'string' },
  lines: { type: 'string' },
  guests: { type: 'string' },
  help: { type: 'boolean', short: 'h' }
} as const

export function readPlan(argv: readonly string[], choices: Choices): Plan | NoRun {
  const flags = readFlags(() => parseArgs({ args: [...argv], options }), usage(choices))
  if (!('values' in flags)) return flags
  const { values } = flags
  const wrong = (what: string) => wrongFlags(what, usage(choices))
  const only = values.only?.split(',') ?? choices.measures.filter(name => !choices.long.includes(name))
  const contenders = values.contenders?.split(',') ?? choices.contenders
  const rounds = Number(values.rounds ?? 3)
  const losses = (values.losses ?? '0,2,5').split(',').map(Number)
  const unknown = [
    ...only.filter(name => !choices.measures.includes(name)),
    ...contenders.filter(name => !choices.contenders.includes(name))
  ]
  if (unknown.length > 0) return wrong(`There is no ${unknown.map(name => `"${name}"`).join(', ')}.`)
  if (!Number.isInteger(rounds) || rounds < 1) return wrong('--rounds is a whole number, 1 or more.')
  if (!losses.every(loss => loss >= 0 && loss <= 100)) return wrong('--losses are percents, 0 to 100.')
  const seed = Number(values.seed ?? 1)
  if (!Number.isInteger(seed) || seed < 0) return wrong('--seed is a whole number.')
  const all = Array.from({ length: choices.lines }, (_, i) => i + 1)
  const lines = values.lines?.split(',').map(Number) ?? all
  if (!lines.every(line => all.includes(line)))
    return wrong(`--lines are numbers from 1 to ${choices.lines}.`)
  const guests = Number(values.guests ?? 250)
  if (!Number.isInteger(guests) || guests < 1) return wrong('--guests is a whole number, 1 or more.')
  return { only, contenders, rounds, losses, seed, lines, guests }
}

function usage({ measures, long, contenders, lines }: Choices): string {
  return `npm run bench -- [--only NAME,..] [--contenders NAME,..] [--rounds N] [--losses PERCENT,..]
              [--seed N] [--lines N,..] [--guests N]

  --only        what to measure: ${measures.join(', ')}; all but ${long.join(', ')} if left out
  --contenders  whom, all if left out: ${contenders.join(', ')}
  --rounds      how often, 3 if left out
  --losses      of the emulated link, 0,2,5 if left out
  --seed        of the random losses of the first round over the lines, 1 if left out
  --lines       which ones of 1 to ${lines}, all if left out; with all, also what our flows and the kernel's leave each other
  --guests      how many one server has at once, 250 if left out`
}
