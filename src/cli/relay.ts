/** `hyper-nat relay`: pass packets on for those who find no direct path. */

import { type Fault, InputError, OptionsError } from '../errors.js'
import type { RelayLimits } from '../limits.js'
import type { Warning } from '../options/entry.js'
import { PORT_MAX } from '../text/ports.js'
import { type Arguments, type Command, type Job, list } from './command.js'
import type { CliContext } from './context.js'
import { number } from './numbers.js'
import { secretOf } from './secret-source.js'
import { networkGiven, networkOf, secretFlags, tcpFlags, tcpOf } from './shared-flags.js'

const MBIT = 1_000_000

export const relay: Command = {
  name: 'relay',
  describe: 'Run a relay for friends without a direct path',
  flags: {
    port: { alias: 'p', type: 'string', describe: 'UDP port (any from 49737 on)' },
    secret: {
      alias: 's',
      type: 'string',
      describe: 'Secret its key is derived from (or HYPER_NAT_SECRET); other users see it in the process list'
    },
    'secret-file': { type: 'string', describe: 'A file that holds the secret; - for stdin' },
    'save-secret': secretFlags['save-secret']!,
    allow: {
      type: 'string',
      array: true,
      describe: 'Public key(s) of the servers that may use it (anyone)'
    },
    ...tcpFlags,
    sessions: { type: 'string', describe: 'Sessions at a time (64)' },
    'session-rate': { type: 'string', describe: 'Mbit/s for each session, both ways together (20)' },
    'total-rate': { type: 'string', describe: 'Mbit/s for all sessions together (100)' },
    idle: { type: 'string', describe: 'Seconds without a packet until a session is ended (60)' }
  },
  examples: [
    ['hyper-nat relay --save-secret key.txt', 'on a machine that others can reach'],
    ['hyper-nat relay --save-secret key.txt --allow <publickey>', "for one server's guests only"],
    [
      'hyper-nat relay --save-secret key.txt --tcp 443 --tls-cert cert.pem --tls-key key.pem --tcp-address wss://relay.example',
      'also for those whose network blocks UDP'
    ]
  ],
  subject: () => 'hyper-nat relay',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const faults: Fault[] = []
  const port = number(args, 'port', { min: 1, max: PORT_MAX }, faults)
  const limits = limitsOf(args, faults)
  const allow = await keysOf(args, faults)
  const flags = { bootstrap: networkOf(args, context).bootstrap, ...tcpOf(args) }
  const { bootstrap, tcp } = await networkGiven(flags, faults)
  if (tcp && allow && !new URL(tcp.address ?? 'ws://none').hash) {
    const message =
      'lets in everybody by TCP, whose keys do not show there; with --allow, give a token behind a # in --tcp-address'
    faults.push({ path: '--tcp', message })
  }
  const check = (): void => {
    if (faults.length > 0) throw new OptionsError(faults)
  }
  const { secret, generated, warning } = await secretOf(args, context, check)
  if (secret.text === '')
    faults.push({ path: secret.place, message: 'is empty; give a long one that nobody guesses' })
  check()
  const warnings: Warning[] = warning ? [warning] : []
  const { weaknessOf } = await import('../identity/strength.js')
  const weakness = weaknessOf(secret.text)
  if (weakness) {
    const message = `the secret ${weakness}: anyone who finds it can pose as this relay; use a long random one`
    warnings.push({ code: 'WEAK_SECRET', path: secret.place, message })
  }
  return {
    ...(generated && { generatedSecret: secret.text }),
    service: {
      warnings,
      async make(log) {
        const { tuneRelay } = await import('../engine.js')
        tuneRelay()
        const { Relay } = await import('../network/relay.js')
        return new Relay({ secret: secret.text, port, bootstrap, allow, tcp, limits, log })
      }
    }
  }
}

function limitsOf(args: Arguments, faults: Fault[]): Partial<RelayLimits> {
  const sessions = number(args, 'sessions', { min: 1, max: 10_000 }, faults)
  const sessionRate = number(args, 'session-rate', { min: 0.1, max: 10_000, whole: false }, faults)
  const totalRate = number(args, 'total-rate', { min: 0.1, max: 10_000, whole: false }, faults)
  const idle = number(args, 'idle', { min: 5, max: 86_400 }, faults)
  return {
    // Two connections for each session, and as many again that wait for their other half.
    ...(sessions !== undefined && { sessions, connections: 4 * sessions }),
    ...(sessionRate !== undefined && { sessionBits: sessionRate * MBIT }),
    ...(totalRate !== undefined && { totalBits: totalRate * MBIT }),
    ...(idle !== undefined && { idleMs: idle * 1000 })
  }
}

async function keysOf(args: Arguments, faults: Fault[]): Promise<Uint8Array[] | undefined> {
  const { decodeKey } = await import('../identity/encoding.js')
  const given = list(args, 'allow')?.split(/[\s,]+/)
  return given?.flatMap(text => {
    try {
      return [decodeKey(text)]
    } catch (err) {
      if (!(err instanceof InputError)) throw err
      faults.push({ path: '--allow', message: err.fault })
      return []
    }
  })
}
