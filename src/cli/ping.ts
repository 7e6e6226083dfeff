/** `hyper-nat ping`: the path to a server, its round trip and its losses, once a second. */

import type { PingAnswer, PingSummary } from '../client/ping.js'
import { type Fault, OptionsError } from '../errors.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { number, rounded } from './numbers.js'
import { keyFlag, networkFlags, networkOf, serverOf, stopSignal, ticketWords } from './shared-flags.js'

const COUNT_MAX = 1_000_000
const INTERVAL_MIN = 0.1
const INTERVAL_MAX = 3600

export const ping: Command = {
  name: 'ping',
  describe: 'Measure round trip and loss to a server, once a second',
  positional: ticketWords,
  flags: {
    ...keyFlag,
    // Elsewhere -c is a file; ping of every system has it as a count.
    count: { alias: 'c', type: 'string', describe: 'Stop after this many pings (default: Ctrl-C)' },
    interval: { alias: 'i', type: 'string', describe: 'Seconds between pings (1)' },
    ...networkFlags
  },
  examples: [
    ['hyper-nat ping -k <publickey>', 'until Ctrl-C, then a summary'],
    ['hyper-nat ping -c 10 -i 0.2 -k <publickey>', 'ten in two seconds; exit code 1 if none is answered']
  ],
  subject: () => 'hyper-nat ping',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { reachOptions } = await import('../options/flags.js')
  const faults: Fault[] = []
  const count = number(args, 'count', { min: 1, max: COUNT_MAX }, faults)
  const interval = number(args, 'interval', { min: INTERVAL_MIN, max: INTERVAL_MAX, whole: false }, faults)
  const flags = { ...(await serverOf(args)), ...networkOf(args, context) }
  const { network, publicKey, guest, warnings } = judged(() => reachOptions(flags, true), faults)
  const json = Boolean(args.json)
  return {
    warnings,
    async task({ stdout, stopped }, log) {
      const { HyperNat } = await import('../hyper-nat.js')
      const { nodeOptions } = await import('../options/network-flags.js')
      const { shortKey } = await import('../identity/encoding.js')
      const node = new HyperNat({
        ...nodeOptions(network),
        log
      })
      const say = answerText()
      try {
        const summary = await node.ping({
          publicKey: publicKey!,
          guest,
          count,
          intervalMs: interval && interval * 1000,
          signal: stopSignal(stopped),
          onanswer: answer => {
            if (json) stdout(`${JSON.stringify({ event: 'ping', ...answer }, rounded)}\n`)
            else if (!args.quiet) stdout(say(answer))
          }
        })
        stdout(
          json
            ? `${JSON.stringify({ event: 'summary', ...summary }, rounded)}\n`
            : summaryText(summary, shortKey(summary.publicKey))
        )
        return summary.answered > 0 ? EXIT.done : EXIT.failed
      } finally {
        await node.close()
      }
    }
  }
}

/** Adds the faults of one part of the command line to those of the others. */
function judged<T>(judge: () => T, faults: readonly Fault[]): T {
  let found: readonly Fault[] = []
  try {
    const result = judge()
    if (faults.length === 0) return result
  } catch (err) {
    if (!(err instanceof OptionsError)) throw err
    found = err.faults
  }
  throw new OptionsError([...faults, ...found])
}

/** Lines as the system's ping writes them; why there is no connection is said once, hosts are named once there are several. */
export function answerText(): (answer: PingAnswer) => string {
  let said: string | null = null
  const hosts = new Set<string>()
  return ({ seq, rtt, path, host, waiting }) => {
    if (host !== null) hosts.add(host)
    const way = `path=${path}${hosts.size > 1 ? ` host=${host}` : ''}`
    const why = waiting && waiting.code !== said ? `${waiting.message}\n` : ''
    said = waiting?.code ?? null
    if (rtt !== null) return `seq=${seq} ${way} time=${rtt.toFixed(1)} ms\n`
    return `${why}seq=${seq} ${path ? `${way} no answer` : `no connection (${waiting?.code ?? 'CONNECTION_LOST'})`}\n`
  }
}

export function summaryText(summary: PingSummary, server: string): string {
  const { sent, answered, loss, min, mean, max, jitter, path } = summary
  const lines = [
    `--- ${server} ---`,
    `${sent} sent, ${answered} answered, ${(100 * loss).toFixed(loss > 0 && loss < 0.1 ? 1 : 0)} % lost${path ? `, path ${path}` : ''}`
  ]
  if (min !== null && mean !== null && max !== null) {
    const trips = [min, mean, max].map(ms => ms.toFixed(1)).join('/')
    lines.push(`round trip min/mean/max ${trips} ms, jitter ${(jitter ?? 0).toFixed(1)} ms`)
  }
  return `${lines.join('\n')}\n`
}
