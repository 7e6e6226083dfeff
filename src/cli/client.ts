/** `hyper-nat client`: open local ports that lead to a server's. */

import { type Arguments, type Command, type Job, list, text } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import {
  duplicateFlag,
  identityFlag,
  isGiven,
  keyFlag,
  networkOf,
  protocolFlag,
  relayFlag
} from './shared-flags.js'

export const client: Command = {
  name: 'client',
  describe: "Open ports on this computer that lead to a server's",
  flags: {
    'remote-port': {
      alias: 'r',
      type: 'string',
      array: true,
      describe: 'Port(s) at the server: 80/tcp or 80,443/tcp or 27015-27020 (udp)'
    },
    'local-port': {
      alias: 'l',
      type: 'string',
      array: true,
      describe: 'Port(s) on this computer, as many as -r (the same as -r); 0 for any free one'
    },
    ...protocolFlag,
    ...keyFlag,
    'local-host': { type: 'string', describe: 'The address to listen on (127.0.0.1)' },
    ...duplicateFlag,
    ...identityFlag,
    ...relayFlag,
    ...runFlags
  },
  examples: [
    ['hyper-nat client -l 8080 -r 80/tcp -k <publickey>', "local port 8080 leads to the server's port 80"],
    [
      'hyper-nat client -l 8080,8081 -r 80,443 --protocol udp,tcp -k <publickey>',
      'one protocol for each port'
    ],
    ['hyper-nat client -r 27015-27020 --protocol tcp+udp -k <publickey>', 'the same ports as at the server']
  ],
  subject: () => 'hyper-nat client',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { clientOptions } = await import('../options/flags.js')
  const options = clientOptions({
    localPorts: list(args, 'local-port'),
    remotePorts: list(args, 'remote-port'),
    protocols: list(args, 'protocol'),
    localHost: text(args, 'local-host'),
    duplicate: isGiven(args, 'duplicate'),
    publicKey: text(args, 'public-key'),
    ...networkOf(args, context)
  })
  const identity = text(args, 'identity')
  return { options: { ...options, ...(identity !== undefined && { identity }) } }
}
