/** `hyper-nat status`: what runs, who is connected, and how well. */

import type { FoundDaemon } from '../control/client.js'
import type { DaemonStatus } from '../control/wire.js'
import { HyperNatError } from '../errors.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { rounded } from './numbers.js'
import { choiceOf, runningFlags, runningOne, runningOnes } from './running.js'

/** Sends the cursor home and clears what is below: nothing flickers. */
const CLEAR = '\u001b[H\u001b[J'

export const status: Command = {
  name: 'status',
  describe: 'Show what runs: ports, guests, paths and traffic',
  flags: {
    ...runningFlags,
    watch: { alias: 'w', type: 'boolean', describe: 'Again each second, until Ctrl-C' }
  },
  examples: [
    ['hyper-nat status', 'one look; a list when several are running'],
    ['hyper-nat status -w -c options.json', 'the one that runs from this file, each second'],
    ['hyper-nat status --quiet && echo it runs', 'the exit code alone']
  ],
  subject: () => 'hyper-nat status',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const choice = await choiceOf(args, context)
  const { listText, statusText } = await import('./status-text.js')
  const { stdout, columns } = context
  const show = (one: DaemonStatus): void => {
    if (args.json) stdout(`${JSON.stringify({ event: 'status', ...one }, rounded)}\n`)
    else if (!args.quiet) stdout(`${args.watch && columns !== undefined ? CLEAR : ''}${statusText(one)}`)
  }
  return {
    warnings: [],
    async task({ stopped }) {
      if (args.watch) {
        const found = await runningOne(choice)
        stopped.then(() => found.control.close())
        await watch(found, show)
        return EXIT.done
      }
      const found = await runningOnes(choice)
      try {
        const all = await statusesOf(found, args.quiet && !args.json ? glance : look)
        if (all.length === 1 || args.json) for (const one of all) show(one)
        else if (!args.quiet) stdout(listText(all))
        return EXIT.done
      } finally {
        for (const { control } of found) control.close()
      }
    }
  }
}

/**
 * How they are. One that ends meanwhile is left out.
 * @throws HyperNatError NOT_RUNNING when none is left; CONTROL_FAILED
 */
async function statusesOf(
  found: readonly FoundDaemon[],
  ask: (one: FoundDaemon) => Promise<DaemonStatus>
): Promise<DaemonStatus[]> {
  const all = await Promise.all(
    found.map(one =>
      ask(one).catch((err: unknown) => {
        if (one.control.isOpen) throw err
        return []
      })
    )
  )
  if (all.flat().length > 0) return all.flat()
  throw new HyperNatError('NOT_RUNNING', 'hyper-nat has just ended.')
}

/** One snapshot: whether it answers. */
function glance({ control }: FoundDaemon): Promise<DaemonStatus> {
  return control.ask('status', CONTROL_LIMITS.whoMs)
}

/** Two snapshots, since one shows no rates. */
async function look({ control }: FoundDaemon): Promise<DaemonStatus> {
  const { withRates } = await import('../status.js')
  const before = await control.ask('status', CONTROL_LIMITS.whoMs)
  await pause(CONTROL_LIMITS.sampleMs, control.closed)
  return withRates(await control.ask('status', CONTROL_LIMITS.whoMs), before)
}

/** Until one of both sides ends. */
async function watch({ control }: FoundDaemon, show: (status: DaemonStatus) => void): Promise<void> {
  const { withRates } = await import('../status.js')
  let before: DaemonStatus | null = null
  while (control.isOpen) {
    const now = await control.ask('status', CONTROL_LIMITS.whoMs).catch(err => {
      if (!control.isOpen) return null
      throw err
    })
    if (!now) return
    show(withRates(now, before ?? now))
    before = now
    await pause(CONTROL_LIMITS.watchMs, control.closed)
  }
}

async function pause(ms: number, closed: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([time, closed])
  clearTimeout(timer)
}
