/** Flags that every command has, and those that `server` and `client` have alike. */

import type { Options as Flag } from 'yargs'
import type { Bootstrap } from '../options/bootstrap.js'
import { type Arguments, list } from './command.js'
import type { Surroundings } from './console.js'

export const everyFlag: Readonly<Record<string, Flag>> = {
  bootstrap: {
    type: 'string',
    describe: 'DHT nodes to start from, instead of the public DHT (or HYPER_NAT_BOOTSTRAP)'
  },
  verbose: { alias: 'v', type: 'count', describe: 'Tell more on stderr; -vv for everything' },
  quiet: { type: 'boolean', describe: 'Tell only errors' },
  json: { type: 'boolean', describe: 'One JSON object per event on stdout, diagnostics as JSON on stderr' }
}

export const protocolFlag: Readonly<Record<string, Flag>> = {
  protocol: {
    alias: 'proto',
    type: 'string',
    array: true,
    describe: 'udp (the default), tcp or tcpudp: one for all ports, or one for each; tcp+udp for both'
  }
}

/** Nodes from the flag or else the environment. */
export function bootstrapOf(args: Arguments, { env }: Surroundings): Bootstrap | undefined {
  const flag = list(args, 'bootstrap')
  if (flag !== undefined) return { text: flag, place: '--bootstrap' }
  const variable = env.HYPER_NAT_BOOTSTRAP
  return variable === undefined ? undefined : { text: variable, place: 'HYPER_NAT_BOOTSTRAP' }
}
