/** `hyper-nat client`: open local ports that lead to a server's. */

import { OptionsError } from '../errors.js'
import type { Options } from '../options/entry.js'
import { type Arguments, type Command, type Job, list, text, words } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import {
  duplicateFlag,
  identityFlag,
  isGiven,
  keyFlag,
  localHostFlags,
  networkFlags,
  networkOf,
  protocolFlag
} from './shared-flags.js'

export const client: Command = {
  name: 'client',
  describe: "Open ports on this computer that lead to a server's",
  positional: {
    name: 'forward',
    describe:
      'In place of -l, -r and -k: LOCALPORT:SERVER:PORT, TCP, or with /udp behind it; SERVER may be a friend'
  },
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
    ...localHostFlags,
    ...duplicateFlag,
    ...identityFlag,
    ...networkFlags,
    ...runFlags
  },
  examples: [
    ['hyper-nat client -l 8080 -r 80/tcp -k <publickey>', "local port 8080 leads to the server's port 80"],
    [
      'hyper-nat client -l 8080,8081 -r 80,443 --protocol udp,tcp -k <publickey>',
      'one protocol for each port'
    ],
    ['hyper-nat client 8022:bob:22 27015:bob:27015/udp', 'ports of a friend (hyper-nat friends)'],
    ['hyper-nat client -r 27015-27020 --protocol tcp+udp -k <publickey>', 'the same ports as at the server']
  ],
  subject: () => 'hyper-nat client',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { clientOptions } = await import('../options/flags.js')
  const forwards = words(args, 'forward')
  const options =
    forwards.length > 0
      ? await forwarded(forwards, args, context)
      : clientOptions({
          localPorts: list(args, 'local-port'),
          remotePorts: list(args, 'remote-port'),
          protocols: list(args, 'protocol'),
          localHost: text(args, 'local-host'),
          socketMode: text(args, 'socket-mode'),
          duplicate: isGiven(args, 'duplicate'),
          publicKey: text(args, 'public-key'),
          ...networkOf(args, context)
        })
  const identity = text(args, 'identity')
  return { options: { ...options, ...(identity !== undefined && { identity }) } }
}

async function forwarded(
  forwards: readonly string[],
  args: Arguments,
  context: CliContext
): Promise<Options> {
  const flags = {
    '-r': 'remote-port',
    '-l': 'local-port',
    '-k': 'public-key',
    '--protocol': 'protocol',
    '--duplicate': 'duplicate',
    '--socket-mode': 'socket-mode'
  }
  const extra = Object.entries(flags).filter(([, name]) => args[name] !== undefined)
  if (extra.length > 0) {
    const message = 'cannot be combined with LOCALPORT:SERVER:PORT, which says it all; give one of them'
    throw new OptionsError(
      extra.map(([path]) => ({ path, message })),
      'BAD_USAGE'
    )
  }
  const { forwardOptions } = await import('../options/forwards.js')
  return forwardOptions(forwards, { localHost: text(args, 'local-host'), ...networkOf(args, context) })
}
