/** `hyper-nat logs`: recent events and log lines of a running daemon, and those to come. */

import type { JournalLine } from '../control/wire.js'
import { type Fault, OptionsError } from '../errors.js'
import type { DaemonEvent } from '../events.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { number } from './numbers.js'
import { choiceOf, runningFlags, runningOne } from './running.js'

export const logs: Command = {
  name: 'logs',
  describe: 'Show recent events, with times in UTC: who came and went, and why',
  flags: {
    ...runningFlags,
    follow: { alias: 'f', type: 'boolean', describe: 'Keep showing new events, until Ctrl-C' },
    lines: { alias: 'n', type: 'string', describe: 'How many at most (all that are kept)' }
  },
  examples: [['hyper-nat logs -n 20 -f', 'the last 20, then each as it comes']],
  subject: () => 'hyper-nat logs',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const faults: Fault[] = []
  const lines = number(args, 'lines', { min: 0, max: CONTROL_LIMITS.journalLines }, faults)
  if (faults.length > 0) throw new OptionsError(faults)
  const choice = await choiceOf(args, context)
  return {
    warnings: [],
    async task({ stdout, stopped }) {
      const { control } = await runningOne(choice)
      const text = await journalText()
      const say = args.json
        ? (line: JournalLine): void => stdout(`${JSON.stringify(line)}\n`)
        : (line: JournalLine): void => stdout(text(line))
      let isStopped = false
      stopped.then(() => {
        isStopped = true
        control.close()
      })
      try {
        await control.logs({ lines, follow: args.follow === true }, say, left => {
          if (!args.json) stdout(`(${left} lines were left out: they came faster than they could be shown)\n`)
        })
        return EXIT.done
      } catch (err) {
        // As in `hyper-nat logs | head`: it was this side that hung up.
        if (isStopped) return EXIT.done
        throw err
      } finally {
        control.close()
      }
    }
  }
}

/** `12:34:56 Guest "Anna" connected (direct)`; the time is UTC, as in the log. */
export async function journalText(): Promise<(line: JournalLine) => string> {
  const [{ plainLine }, { EventText }, { titleOf }] = await Promise.all([
    import('../log/log.js'),
    import('./event-text.js'),
    import('../games/games.js')
  ])
  const events = new EventText([], { titleOf })
  return line => {
    if (!('event' in line)) return plainLine(JSON.stringify(line))
    const event = line as unknown as DaemonEvent
    const time = line.time.slice(11, 19)
    if (event.event !== 'warning' && event.event !== 'error') {
      // A newer daemon has events that this one does not know.
      return `${time} ${(events.of(event) as string | undefined) ?? `${line.event}\n`}`
    }
    return `${time} ${event.event} ${event.code}: ${event.message}\n`
  }
}
