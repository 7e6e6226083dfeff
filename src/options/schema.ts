/**
 * The shape of options.json in zod: what each key may hold, its default, and the message when it holds something else. Here are
 * its entries; who may come in is in `schema-access.ts`, all that is not in entries in `schema-settings.ts`. The JSON Schema for
 * editors is generated from here ({@link ./json-schema.ts}); rules that span entries are in `conflicts.ts`.
 */

import * as z from 'zod'
import { codeOf, InputError } from '../errors.js'
import { Secret } from '../identity/secret.js'
import { decodeTicket } from '../identity/ticket.js'
import { quote } from '../text/quote.js'
import { socketModeOf } from '../text/socket-path.js'
import { perFeature } from './features.js'
import { allowed, invite } from './schema-access.js'
import { hostOrSocket, key, notText, PROTO_EXAMPLES, ports, protos, says, yesOrNo } from './schema-fields.js'
import { network, settingsShape } from './schema-settings.js'

const name = z
  .string(notText('a name is free text'))
  .meta({ description: 'What you call it: free text, shown to people.' })
  .optional()

const secret = z
  .string(notText('a server needs its secret, the text that its public key comes from', false))
  .min(1, { error: 'is empty; give a long one that nobody guesses' })
  .meta({ description: "The text that the server's keys come from. Long, random, and never shared." })
  .transform(text => new Secret(text))

const publicKey = key(
  'a client needs the public key that its server shows when it starts',
  "The server's public key in base58, z-base-32 or hex, as the server shows it when it starts."
)

const ticket = z
  .string(notText('a ticket is the text that begins with hnat1', false))
  .meta({
    description:
      "The server's ticket, as the server shows it when it starts: in place of publicKey. Leave out port and proto to open all ports that it names."
  })
  .transform((text, ctx) => {
    try {
      return decodeTicket(text)
    } catch (err) {
      if (!(err instanceof InputError)) throw err
      const message = err.fault
      // Not the text: an invite in it is a secret.
      ctx.addIssue({ code: 'custom', message, params: { code: codeOf(err) } })
      return z.NEVER
    }
  })

const server = z.string(notText('it is the name of a friend, whom hyper-nat friends lists')).meta({
  description:
    'The name of a friend (hyper-nat friends), in place of publicKey or ticket: what it stands for is looked up when the options are read.',
  examples: ['bob']
})

const game = z
  .string(notText('it is a game that hyper-nat games lists'))
  .min(1, { error: 'is empty; it is a game that hyper-nat games lists' })
  .meta({ examples: ['minecraft', 'openarena'] })

const discovery = yesOrNo(
  'Whether the server shows up in the LAN list of the game; true if left out. Only with a game.'
)

const socketMode = z
  .string(notText('it is the mode of the socket file, three octal digits such as "0660"'))
  .meta({
    description: 'Permissions of a Unix socket in "localHost"; 0600 if left out: this user alone.',
    examples: ['0600', '0660', '0666']
  })
  .transform((text, ctx) => {
    const mode = socketModeOf(text)
    if (mode !== undefined) return mode
    ctx.addIssue({
      code: 'custom',
      message: `is ${quote(text)}; give three octal digits behind a 0, such as "0660"`,
      input: text
    })
    return z.NEVER
  })

const serverShape = {
  mode: z.literal('server').meta({ description: 'Share ports of this machine, or of another on its LAN.' }),
  name,
  proto: protos
    .meta({
      description:
        'How the traffic is carried; several for the same port are joined by "+". udp if left out.',
      examples: PROTO_EXAMPLES
    })
    .optional(),
  port: ports(
    1,
    'The port or ports to share: those of the target, and those that clients ask for. With a game, others than its own, in the order of its recipe; those that depend on the first move with it.'
  ).optional(),
  game: game.meta({ description: 'The game whose ports to share, in place of port and proto.' }).optional(),
  optionalPorts: yesOrNo('Whether to share also the ports that the game can do without; false if left out.'),
  discovery,
  host: hostOrSocket(
    'Where the program listens whose port is shared: this machine, or another on its LAN; unix:/path.sock for a Unix socket, \\\\.\\pipe\\name for a pipe of Windows, where "port" is only the number that clients ask for.'
  ),
  ...perFeature(({ description }) => yesOrNo(description)),
  secret,
  paused: yesOrNo(
    'Whether the entry is kept and not shared for now: its ticket works again once this is taken out. Holds for this entry alone.'
  ),
  private: yesOrNo(
    'Whether only guests in "invites" and keys in "allow" come in; otherwise everybody does who has the public key. Holds for all entries of one secret.'
  ),
  roster: yesOrNo(
    'Whether guests see who else is connected, by the names that you gave them, with the ping; false if left out. Holds for all entries of one secret.'
  ),
  allow: z
    .array(
      allowed,
      says(value => `is ${quote(value)}; give a list of public keys, which hyper-nat id shows`)
    )
    .meta({
      description: 'Public keys of those who come in without an invite; hyper-nat id shows them theirs.'
    })
    .optional(),
  block: z
    .array(
      allowed,
      says(value => `is ${quote(value)}; give a list of public keys of guests who are not to come in`)
    )
    .meta({
      description:
        'Public keys of guests who are never let in. Anyone with the public ticket can come back under a new key: "private" keeps them out for good.'
    })
    .optional(),
  invites: z
    .array(
      invite,
      says(value => `is ${quote(value)}; it is a list that hyper-nat invite writes`)
    )
    .meta({
      description: 'Guests with a ticket of their own. Written by hyper-nat invite and hyper-nat revoke.'
    })
    .optional()
}

const clientShape = {
  mode: z
    .literal('client')
    .meta({ description: "Open ports on this machine that lead to a server's ports." }),
  name,
  proto: protos
    .meta({
      description:
        'How the traffic is carried; several for the same port are joined by "+". udp if left out; with a ticket, what it says.',
      examples: PROTO_EXAMPLES
    })
    .optional(),
  port: ports(1, 'The port or ports at the server; with a ticket, all of its ports if left out.').optional(),
  localPort: ports(
    0,
    'The port or ports on this machine, as many as in "port"; 0 for any free one. As "port" if left out.'
  ).optional(),
  localHost: hostOrSocket(
    'The address on this machine to listen on; 0.0.0.0 or :: lets others on the LAN in. In place of an address and a port: unix:/path.sock for a Unix socket, \\\\.\\pipe\\name for a pipe of Windows.'
  ),
  socketMode: socketMode.optional(),
  duplicate: yesOrNo(
    'Whether small UDP datagrams to the server are sent twice, for lines that lose packets. What the server sends, it says in its own entry.'
  ),
  failover: yesOrNo(
    "Whether UDP conversations go to another host of the server when theirs is silent. For programs that keep nothing there; a game's state is at its host, which may come back."
  ),
  publicKey: publicKey.optional(),
  ticket: ticket.optional(),
  server: server.optional(),
  game: game
    .meta({
      description: 'The game whose ports to open, in place of port and proto. A ticket already names it.'
    })
    .optional(),
  discovery
}

export const serverEntry = z
  .strictObject(serverShape)
  // For editors, as below.
  .meta({ anyOf: [{ required: ['port'] }, { required: ['game'] }] })
export const clientEntry = z
  .strictObject(clientShape)
  // For editors; check.ts judges it, so that it is reported with all other faults.
  .meta({
    oneOf: [
      { required: ['publicKey'], anyOf: [{ required: ['port'] }, { required: ['game'] }] },
      { required: ['ticket'] },
      { required: ['server'] }
    ]
  })

/** For an entry whose mode is wrong or missing: its other keys are still judged by what they hold. */
export const unknownEntry = z
  .strictObject({ ...serverShape, ...clientShape })
  .partial()
  .extend({ mode: z.unknown().optional() })

function schemaFault(value: unknown): string {
  const what = 'a list of entries such as [{ "mode": "server", .. }]'
  return value === undefined ? `is missing; it holds ${what}` : `is ${quote(value)}; it holds ${what}`
}

function topFault(value: unknown): string {
  const example = '{ "schema": [ .. ] }'
  return Array.isArray(value)
    ? `is a list; write ${example} around it`
    : `is ${quote(value)}; it holds ${example}`
}

/** The file without looking into its entries: each is judged alone, so that one fault does not hide the others. */
export const topLevel = z.strictObject(
  {
    ...settingsShape,
    schema: z.array(z.unknown(), says(schemaFault))
  },
  says(topFault)
)

/** What commands have that neither share nor open ports. */
export const networkOnly = z.strictObject({ network: network.optional() })

/** The whole file, for the JSON Schema and for the type of what people write. */
export const wholeFile = z.strictObject({
  ...settingsShape,
  schema: z
    .array(z.discriminatedUnion('mode', [serverEntry, clientEntry]))
    .meta({ description: 'The entries: each shares or opens a port, a list or a range of ports.' })
})

/** What flags are turned into, before anything is judged: the shape of a file, whatever its values. */
export interface RawOptions {
  schema: Record<string, unknown>[]
  network?: {
    bootstrap?: unknown
    relay?: unknown
    portMapping?: unknown
    lan?: unknown
    ipv6?: unknown
    tcp?: unknown
  }
}
