/** `hyper-nat server`: share ports under a secret. */

import type { Warning } from '../options/entry.js'
import { type Arguments, type Command, type Job, list, text } from './command.js'
import type { Surroundings } from './console.js'
import { runFlags } from './run-flags.js'
import { secretOf } from './secret-source.js'
import {
  accessFlags,
  accessOf,
  duplicateFlag,
  isGiven,
  networkOf,
  portMappingFlag,
  portMappingOf,
  protocolFlag,
  qrFlag,
  relayFlag,
  secretFlags,
  tcpFlags,
  tcpOf
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
    'player-addresses': {
      type: 'boolean',
      describe: 'The program here sees each guest come from an address of its own, 127.x.y.z'
    },
    'proxy-protocol': {
      type: 'boolean',
      describe: 'Tell the program who connects by the PROXY protocol, version 2 (tcp, tcpudp)'
    },
    ...duplicateFlag,
    ...qrFlag,
    ...relayFlag,
    ...tcpFlags,
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

async function job(args: Arguments, around: Surroundings): Promise<Job> {
  const { serverOptions } = await import('../options/flags.js')
  const { secret, generated, warning } = await secretOf(args, around)
  const options = serverOptions({
    ports: list(args, 'port'),
    protocols: list(args, 'protocol'),
    host: text(args, 'host'),
    name: text(args, 'name'),
    playerAddresses: isGiven(args, 'player-addresses'),
    proxyProtocol: isGiven(args, 'proxy-protocol'),
    duplicate: isGiven(args, 'duplicate'),
    secret,
    ...accessOf(args),
    ...networkOf(args, around),
    ...portMappingOf(args),
    ...tcpOf(args)
  })
  const warnings: Warning[] = warning ? [...options.warnings, warning] : [...options.warnings]
  return {
    options: { ...options, warnings },
    byFlags: true,
    ...(args.qr ? { qr: true } : {}),
    ...(generated && { generatedSecret: secret.text })
  }
}
