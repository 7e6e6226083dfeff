/** `hyper-nat ticket`: what a ticket holds. */

import { CONTROL_LIMITS } from '../limits.js'
import { type Arguments, type Command, type Job, words } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { inviteLine } from './invite-line.js'
import { choiceOf, runningFlags, runningOnes } from './running.js'
import { qrFlag } from './shared-flags.js'

export const ticket: Command = {
  name: 'ticket',
  describe: 'Show the tickets of what runs here, or what one holds',
  positional: {
    name: 'ticket',
    describe: 'The text that begins with hnat1; without one, those of what runs here'
  },
  flags: { ...qrFlag, ...runningFlags },
  examples: [
    ['hyper-nat ticket', 'the tickets of the running hyper-nat'],
    ['hyper-nat ticket hnat1.. --qr', 'what is in this one, also as a QR code']
  ],
  subject: () => 'hyper-nat ticket',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  if (words(args, 'ticket').length === 0) return runningTickets(args, context)
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

/** The tickets of the servers that run on this computer. */
async function runningTickets(args: Arguments, context: CliContext): Promise<Job> {
  const choice = await choiceOf(args, context)
  const { serverTitle } = await import('./status-text.js')
  const { clientLine } = await import('./client-line.js')
  const draw = args.qr ? (await import('./qr.js')).qrCode : undefined
  return {
    warnings: [],
    async task({ stdout, columns }) {
      const found = await runningOnes(choice)
      try {
        const all = await Promise.all(
          found.map(async ({ who, control }) => {
            const { servers } = await control.ask('status', CONTROL_LIMITS.whoMs)
            return servers.map(server => ({ server, file: who.file, hasSeveral: servers.length > 1 }))
          })
        )
        const servers = all.flat()
        for (const { server, file, hasSeveral } of servers) {
          const { publicKey, ticket, maps, private: isPrivate } = server
          const line = ticket === undefined ? clientLine(publicKey, maps) : `hyper-nat join ${ticket}`
          if (args.json) {
            const told = isPrivate ? undefined : ticket
            stdout(`${JSON.stringify({ event: 'ticket', publicKey, private: isPrivate, ticket: told })}\n`)
          } else if (isPrivate && file === null)
            stdout(
              `${serverTitle(server)}: only the keys that you allow can join, each with its file\n  ${line} --identity FILE\n`
            )
          else if (isPrivate) {
            const invite = inviteLine(file ?? undefined, hasSeveral ? publicKey : undefined)
            stdout(
              `${serverTitle(server)}: only invited guests can join; this shows the ticket of one\n  ${invite}\n`
            )
          } else if (ticket === undefined)
            stdout(`${serverTitle(server)}: too much for one ticket; guests join with\n  ${line}\n`)
          else stdout(`${serverTitle(server)}\n  ${line}\n${draw?.(ticket, columns) ?? ''}`)
        }
        if (servers.length === 0 && !args.json) stdout('Nothing is shared here.\n')
        return servers.length > 0 ? EXIT.done : EXIT.failed
      } finally {
        for (const { control } of found) control.close()
      }
    }
  }
}
