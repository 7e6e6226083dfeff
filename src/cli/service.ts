/** `hyper-nat service`: have the system start hyper-nat by itself. */

import type { Fault } from '../errors.js'
import type { Log } from '../log/log.js'
import type { Options } from '../options/entry.js'
import type { Step } from '../service/plan.js'
import { programWords } from '../shipped.js'
import { oneOf, quote } from '../text/quote.js'
import { type Arguments, type Command, type Job, text, words } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { NPX_CACHE } from './own-name.js'

const ACTIONS = ['install', 'uninstall', 'status'] as const
type Action = (typeof ACTIONS)[number]

export const service: Command = {
  name: 'service',
  describe: 'Start hyper-nat with the system: install, uninstall or status',
  positional: { name: 'action', describe: 'install, uninstall or status' },
  flags: {
    config: { alias: 'c', type: 'string', describe: 'A file other than ./options.json' },
    system: {
      type: 'boolean',
      describe: 'From the start of the machine on, not only while you are logged in'
    },
    'dry-run': { type: 'boolean', describe: 'Only show what would be done' }
  },
  examples: [
    ['hyper-nat service install --dry-run', 'what would be written and run'],
    ['hyper-nat service install', 'start it now, and whenever you log in'],
    ['sudo hyper-nat service install --system -c /etc/hyper-nat.json', 'and whenever the machine starts']
  ],
  subject: () => 'hyper-nat service',
  job
}

async function job(args: Arguments, { env }: CliContext): Promise<Job> {
  const action = await actionOf(args)
  if (action === 'install') await refuseOthers(args)
  const { partsHere, planFor } = await import('../service/apply.js')
  const file = text(args, 'config') ?? DEFAULT_FILE
  // Faults in there would only show when nothing runs.
  const options =
    action === 'install' ? await (await import('../options/file.js')).readOptionsFile(file) : undefined
  const program = programWords()
  const parts = await partsHere(args.system ? 'system' : 'user', program, file, options)
  const plan = planFor(parts)
  if (action === 'status') return { warnings: [], task: context => showStatus(plan.status, args, context) }
  const notes = options ? [...npxNote(program), ...environmentNotes(options, env), ...plan.notes] : []
  return {
    warnings: options?.warnings ?? [],
    task: (context, log) => carryOut(action, plan[action], notes, args, context, log)
  }
}

/** The service reads its options from the file: a flag would be lost with this process. */
async function refuseOthers(args: Arguments): Promise<void> {
  const lost = LOST.filter(({ flag }) => flag !== undefined && args[flag] !== undefined)
  if (lost.length === 0) return
  const { OptionsError } = await import('../errors.js')
  const faults = lost.map(({ flag, key }) => ({
    path: `--${flag}`,
    message: `is not kept for the service; put "${key}" into the options file`
  }))
  throw new OptionsError(faults, 'BAD_USAGE')
}

/** What flags of every command and the environment say of this process alone, and where the options file says it of the service. */
const LOST: readonly {
  readonly flag?: string
  readonly variable: string
  readonly key: string
  readonly inFile: (options: Options) => unknown
}[] = [
  {
    flag: 'bootstrap',
    variable: 'HYPER_NAT_BOOTSTRAP',
    key: 'network.bootstrap',
    inFile: ({ network }) => network.bootstrap
  },
  { variable: 'HYPER_NAT_RELAY', key: 'network.relay', inFile: ({ network }) => network.relay },
  { flag: 'control', variable: 'HYPER_NAT_CONTROL', key: 'control', inFile: ({ control }) => control }
]

/** The service has another environment, in which what this one says is not there. */
function environmentNotes(options: Options, env: NodeJS.ProcessEnv): string[] {
  return LOST.filter(({ variable, inFile }) => env[variable] && inFile(options) === undefined).map(
    ({ variable, key }) =>
      `${variable} is set here, and not kept for the service: put "${key}" into the options file`
  )
}

async function actionOf(args: Arguments): Promise<Action> {
  const [given, ...more] = words(args, 'action')
  const action = ACTIONS.find(action => action === given)
  if (action && more.length === 0) return action
  const { OptionsError } = await import('../errors.js')
  const what = more.length > 0 ? 'are several' : given === undefined ? 'is missing' : `is ${quote(given)}`
  const fault: Fault = { path: 'ACTION', message: `${what}; give ${oneOf(ACTIONS)}` }
  throw new OptionsError([fault], 'BAD_USAGE')
}

function npxNote(program: readonly string[]): string[] {
  if (!program.some(word => NPX_CACHE.test(word))) return []
  return [
    'hyper-nat was started by npx, from a folder that may be emptied: npm install -g hyper-nat@2, and install from there'
  ]
}

async function carryOut(
  action: 'install' | 'uninstall',
  steps: readonly Step[],
  notes: readonly string[],
  args: Arguments,
  context: CliContext,
  log: Log
): Promise<number> {
  const { apply } = await import('../service/apply.js')
  const { stepsText } = await import('../service/plan.js')
  const dryRun = Boolean(args['dry-run'])
  const say = (said: string): void => {
    if (!args.json && !args.quiet) context.stdout(said)
  }
  say(`${dryRun ? 'This would' : 'This will'}\n\n${stepsText(steps)}\n`)
  for (const note of notes) say(`Note: ${note}\n`)
  if (!dryRun) {
    // It may be why a step does not succeed.
    await apply(steps, args.json ? said => log.warn(said.trim()) : context.stderr)
    say('Done.\n')
  }
  if (args.json) {
    context.stdout(`${JSON.stringify({ event: 'service', action, done: !dryRun, steps, notes })}\n`)
  }
  return EXIT.done
}

async function showStatus(command: readonly string[], args: Arguments, context: CliContext): Promise<number> {
  const { runCommand } = await import('../service/apply.js')
  const { code, text: said } = await runCommand(command)
  if (args.json) {
    context.stdout(
      `${JSON.stringify({ event: 'service', action: 'status', running: code === 0, text: said })}\n`
    )
  } else context.stdout(said === '' ? `${command[0]} could not be run (${code})\n` : said)
  return code === 0 ? EXIT.done : EXIT.failed
}
