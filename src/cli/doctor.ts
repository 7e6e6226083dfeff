/** `hyper-nat doctor`: what stands between this computer and playing with friends. */

import type { SharedTarget } from '../doctor/local-checks.js'
import type { Check, Diagnosis } from '../doctor/report.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { rounded } from './numbers.js'
import { runningStatuses } from './running.js'
import {
  keyFlag,
  networkFlags,
  networkOf,
  portMappingFlag,
  portMappingOf,
  serverOf,
  stopSignal,
  ticketWords
} from './shared-flags.js'

/** Columns of text, when stdout is no terminal, and the fewest that it can be wrapped to. */
const COLUMNS = 100
const COLUMNS_MIN = 50

export const doctor: Command = {
  name: 'doctor',
  describe: 'Check this network, and why a server is not reached',
  positional: ticketWords,
  flags: { ...keyFlag, ...networkFlags, ...portMappingFlag },
  examples: [
    ['hyper-nat doctor', 'the network here, and what it means for playing'],
    ['hyper-nat doctor -k <publickey>', 'the way to a server, too; exit code 1 for any problem']
  ],
  subject: () => 'hyper-nat doctor',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { reachOptions } = await import('../options/flags.js')
  const { network, publicKey, guest, warnings } = reachOptions(
    { ...(await serverOf(args)), ...networkOf(args, context), ...portMappingOf(args) },
    false
  )
  const json = Boolean(args.json)
  return {
    warnings,
    async task({ stdout, stopped, columns }, log) {
      const { diagnose } = await import('../doctor/diagnose.js')
      const { nodeOptions } = await import('../options/network-flags.js')
      const signal = stopSignal(stopped)
      const shared = await sharedHere(args, context)
      if (!json && !args.quiet)
        stdout(`This takes some seconds${publicKey ? ', a minute at the most' : ''}.\n\n`)
      const diagnosis = await diagnose({
        ...nodeOptions(network),
        publicKey,
        guest,
        shared,
        log,
        signal,
        oncheck: check => {
          if (!json && (!args.quiet || check.verdict === 'problem')) stdout(checkText(check, columns))
        }
      }).catch((err: unknown) => {
        if (signal.aborted) return null
        throw err
      })
      if (!diagnosis) return EXIT.done
      stdout(json ? `${JSON.stringify({ event: 'diagnosis', ...diagnosis }, rounded)}\n` : verdict(diagnosis))
      return diagnosis.ok ? EXIT.done : EXIT.failed
    }
  }
}

/** What the daemons of this user share, with the state of the programs behind it. */
async function sharedHere(args: Arguments, context: CliContext): Promise<SharedTarget[]> {
  const all = await runningStatuses(args, context)
  return all.flatMap(({ status }) => status.servers.flatMap(({ maps }) => maps))
}

const MARKS = { ok: 'ok       ', note: 'note     ', problem: 'PROBLEM  ' } as const

/** One check, and what to do about it, in ASCII: Windows consoles show nothing else reliably. */
export function checkText({ verdict, message, advice }: Check, columns = COLUMNS): string {
  const mark = MARKS[verdict]
  const indent = ' '.repeat(mark.length)
  const lines = wrapped(message, mark, indent, columns)
  if (advice !== null) lines.push(...wrapped(advice, `${indent}-> `, `${indent}   `, columns))
  return lines.map(line => `${line}\n`).join('')
}

function verdict({ ok, checks }: Diagnosis): string {
  const problems = checks.filter(check => check.verdict === 'problem').length
  if (ok) return '\nNo problem was found.\n'
  return problems === 1 ? '\nOne problem was found.\n' : `\n${problems} problems were found.\n`
}

function wrapped(words: string, first: string, indent: string, columns: number): string[] {
  const width = Math.max(columns, COLUMNS_MIN)
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of words.split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}
