/** `hyper-nat ticket`: what a ticket holds. */

import { type Arguments, type Command, type Job, words } from './command.js'
import type { CliContext } from './context.js'
import { qrFlag } from './shared-flags.js'

export const ticket: Command = {
  name: 'ticket',
  describe: 'Show what a ticket holds',
  positional: { name: 'ticket', describe: 'The text that begins with hnat1' },
  flags: { ...qrFlag },
  examples: [['hyper-nat ticket hnat1.. --qr', 'the same ticket as a QR code']],
  subject: () => 'hyper-nat ticket',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { decodeTicket, encodeTicket } = await import('../identity/ticket.js')
  const { ticketIn } = await import('../options/pasted-ticket.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const { quoteName } = await import('../text/quote.js')
  const ticket = decodeTicket(ticketIn(words(args, 'ticket').join(' ')))
  const { publicKey, maps, relays = [], bootstrap = [], addresses = [], invite } = ticket
  const lines = [
    `public key\n  ${encodeKey(publicKey)}`,
    'ports',
    ...maps.map(
      ({ proto, port, name }) => `  ${proto} ${port}${name === undefined ? '' : ` ${quoteName(name)}`}`
    ),
    ...section('relays', [...relays.map(encodeKey), ...addresses]),
    ...section('DHT nodes', bootstrap),
    ...(invite ? ['an invite: this ticket is for one guest, and a secret'] : [])
  ]
  const code = args.qr ? (await import('./qr.js')).qrCode(encodeTicket(ticket), context.columns) : ''
  return {
    answer: {
      text: `${lines.join('\n')}\n${code}`,
      json: {
        event: 'ticket',
        publicKey: encodeKey(publicKey),
        maps,
        relays: relays.map(encodeKey),
        bootstrap,
        addresses,
        invite: invite !== undefined
      }
    }
  }
}

function section(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [title, ...items.map(item => `  ${item}`)]
}
