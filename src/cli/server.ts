/** `hyper-nat server`: share ports under a secret. */

import type { Warning } from '../options/entry.js'
import { type Arguments, type Command, type Job, list, text } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import { secretOf } from './secret-source.js'
import {
  accessFlags,
  accessOf,
  featureFlags,
  featuresOf,
  networkOf,
  portMappingFlag,
  portMappingOf,
  protocolFlag,
  qrFlag,
  relayFlag,
  secretFlags
} from './shared-flags.js'

export const server: Command = {
  name: 'server',
  describe: 'Share ports of this computer, or of another on its LAN',
  flags: {
    port: {
      alias: 'p',
      type: 'string',
      array: true,
      describe: 'Port(s) to share: 3000 or 80,443 or 27015-27020'
    },
    ...protocolFlag,
    ...secretFlags,
    ...accessFlags,
    host: { type: 'string', describe: 'Where the ports are: an address or a name (127.0.0.1)' },
    name: { type: 'string', describe: 'What you call it: the ticket tells your friends' },
    ...featureFlags,
    ...qrFlag,
    ...relayFlag,
    ...runFlags,
    ...portMappingFlag
  },
  examples: [
    ['hyper-nat server -p 3000 -s mysecret', 'share udp port 3000'],
    ['hyper-nat server -p 3000,3001 --protocol udp,tcp -s mysecret', 'one protocol for each port'],
    ['hyper-nat server -p 27015-27020 --protocol tcp+udp --secret-file key.txt', 'a range, both protocols'],
    [
      'hyper-nat server -p 80 --protocol tcp --host 192.168.1.20',
      "another computer's port, under a new secret"
    ]
  ],
  subject: () => 'hyper-nat server',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { serverOptions } = await import('../options/flags.js')
  const { secret, generated, warning } = await secretOf(args, context)
  const options = serverOptions({
    ports: list(args, 'port'),
    protocols: list(args, 'protocol'),
    host: text(args, 'host'),
    name: text(args, 'name'),
    ...featuresOf(args),
    secret,
    ...accessOf(args),
    ...networkOf(args, context),
    ...portMappingOf(args)
  })
  const warnings: Warning[] = warning ? [...options.warnings, warning] : [...options.warnings]
  return {
    options: { ...options, warnings },
    byFlags: true,
    ...(args.qr ? { qr: true } : {}),
    ...(generated && { generatedSecret: secret.text })
  }
}
