/** `hyper-nat bootstrap`: run a DHT of one's own. */

import { isIPv4 } from 'node:net'
import { type Fault, OptionsError } from '../errors.js'
import { ENOUGH_NODES } from '../limits.js'
import { PORT_MAX } from '../text/ports.js'
import { quote } from '../text/quote.js'
import { type Arguments, type Command, type Job, list } from './command.js'
import type { CliContext } from './context.js'
import { number } from './numbers.js'
import { networkGiven, networkOf } from './shared-flags.js'

/** More would not make the DHT any better. */
const NODES_MAX = 64

export const bootstrap: Command = {
  name: 'bootstrap',
  describe: 'Run a DHT of your own, without the public one',
  flags: {
    port: {
      alias: 'p',
      type: 'string',
      describe: 'UDP port of the first node (49737); the others follow it'
    },
    host: {
      type: 'string',
      array: true,
      describe: 'The IPv4 address under which others reach this computer; several for nodes on each'
    },
    nodes: { type: 'string', describe: 'How many nodes on each address (4)' }
  },
  examples: [
    ['hyper-nat bootstrap', 'for everybody on this LAN'],
    ['hyper-nat bootstrap --host 203.0.113.7', 'for everybody who reaches this address']
  ],
  subject: () => 'hyper-nat bootstrap',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const faults: Fault[] = []
  const nodes = number(args, 'nodes', { min: 1, max: NODES_MAX }, faults)
  // The nodes take consecutive ports, and the last of them must exist, too.
  const port = number(args, 'port', { min: 1, max: PORT_MAX + 1 - (nodes ?? ENOUGH_NODES) }, faults)
  const hosts = list(args, 'host')
    ?.split(/[\s,]+/)
    .filter(host => host !== '')
  if (hosts?.length === 0)
    faults.push({ path: '--host', message: 'is empty; give the IPv4 address that others use' })
  for (const host of hosts ?? []) {
    if (!isIPv4(host) || host === '0.0.0.0') {
      faults.push({ path: '--host', message: `has ${quote(host)}; give the IPv4 address that others use` })
    }
  }
  const flags = { bootstrap: networkOf(args, context).bootstrap }
  const { bootstrap: join } = await networkGiven(flags, faults)
  if (faults.length > 0) throw new OptionsError(faults)
  return {
    service: {
      warnings: [],
      async make() {
        const { BootstrapNodes } = await import('../network/bootstrap.js')
        return new BootstrapNodes({ port, hosts, nodes, bootstrap: join })
      }
    }
  }
}
