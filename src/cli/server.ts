/** `hyper-nat server`: share ports under a secret. */

import { type Arguments, type Command, type Job, list, text } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import { savedJob, saveFlags, toShare } from './save-server.js'
import {
  accessFlags,
  accessOf,
  featureFlags,
  featuresOf,
  networkFlags,
  ownRelayFlags,
  portMappingFlag,
  protocolFlag,
  qrFlag,
  reachOf,
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
      describe: 'Port(s) to share: 22/tcp or 80,443/tcp or 27015-27020 (udp)'
    },
    ...protocolFlag,
    ...secretFlags,
    ...accessFlags,
    host: {
      type: 'string',
      describe: 'Where the ports are: an address or a name (127.0.0.1), or a socket: unix:/path.sock'
    },
    name: { type: 'string', describe: 'Name that your friends see' },
    ...featureFlags,
    ...saveFlags,
    ...qrFlag,
    ...networkFlags,
    ...ownRelayFlags,
    ...runFlags,
    ...portMappingFlag
  },
  examples: [
    ['hyper-nat server -p 22/tcp', 'share tcp port 22, under a new secret'],
    ['hyper-nat server -p 80/tcp,27015/tcp+udp --save-secret key.txt', 'each port with its protocol'],
    ['hyper-nat server -p 27015-27020 --protocol tcp+udp -s mysecret', 'a range, both protocols'],
    ['hyper-nat server -p 22/tcp --save', 'and again with hyper-nat alone, under the same ticket'],
    ['hyper-nat server -p 80/tcp --host 192.168.1.20', "another computer's port"],
    ['hyper-nat server -p 80/tcp --host unix:/run/app.sock', 'a Unix socket, as port 80']
  ],
  subject: () => 'hyper-nat server',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { serverOptions } = await import('../options/flags.js')
  const tcp = text(args, 'tcp')
  if (tcp === '' || (tcp !== undefined && args.port === undefined)) {
    const port = tcp || list(args, 'port')?.split(/[\s,/]/)[0] || 22
    const message = `shares no port: it is for guests whose network blocks UDP, and takes the TCP port at which they reach this computer; to share a TCP port, write -p ${port}/tcp`
    const { OptionsError } = await import('../errors.js')
    throw new OptionsError([{ path: '--tcp', message }], 'BAD_USAGE')
  }
  const what = await toShare(args, context, secret =>
    serverOptions({
      ports: list(args, 'port'),
      protocols: list(args, 'protocol'),
      host: text(args, 'host'),
      name: text(args, 'name'),
      ...featuresOf(args),
      secret,
      ...accessOf(args),
      ...reachOf(args, context)
    })
  )
  const { options, warning } = what
  const { runningStatuses } = await import('./running.js')
  const { joinedHere } = await import('./joined-here.js')
  const joined = await joinedHere(options.entries, '-p', await runningStatuses(args, context))
  return savedJob(
    {
      options: { ...options, warnings: [...options.warnings, ...(warning ? [warning] : []), ...joined] },
      byFlags: true,
      ...(args.qr ? { qr: true } : {})
    },
    what,
    args,
    context
  )
}
