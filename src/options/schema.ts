/**
 * The shape of options.json in zod: what each key may hold, its default, and the message when it holds something else.
 * The JSON Schema for editors is generated from here ({@link ./json-schema.ts}); rules that span entries are in
 * `conflicts.ts`.
 */

import { z } from 'zod'
import { codeOf } from '../errors.js'
import { decodeKey } from '../identity/encoding.js'
import { NONCE_BYTES } from '../identity/guest.js'
import { Secret } from '../identity/secret.js'
import { decodeTicket } from '../identity/ticket.js'
import { LIMITS } from '../limits.js'
import { guestNameFault } from './guest-name.js'
import { bootstrapFault, hostFault } from './hosts.js'
import { PORT_MAX, PORTS_PATTERN, parsePorts } from './ports.js'
import { PROTOS_PATTERN, parseProtos } from './protos.js'
import { oneOf, quote } from './quote.js'

/** Where things are when nobody says otherwise: this machine. */
const THIS_MACHINE = '127.0.0.1'

/** Seconds in a day: an idle UDP flow that is kept longer is a leak. */
const UDP_IDLE_MAX = 86_400
const RESUME_MAX = 3600

/** Of anything in a second or a minute: beyond it a limit is none. */
const RATE_MAX = 10_000_000

/** A zod error function from what is wrong with the value. */
function says(fault: (value: unknown) => string): { error: (issue: { input?: unknown }) => string } {
  return { error: issue => fault(issue.input) }
}

/** The message for a value that is not text at all; never shows a secret. */
function notText(what: string, show = true): ReturnType<typeof says> {
  return says(value => {
    if (value === undefined) return `is missing; ${what}`
    return `is ${show ? quote(value) : typeof value}, not text in quotes; ${what}`
  })
}

function ports(smallest: 0 | 1, description: string) {
  const fault = (value: unknown): string => {
    const result = parsePorts(value, smallest)
    return 'fault' in result ? result.fault : ''
  }
  return z
    .union(
      [
        z.int(says(fault)).min(smallest, says(fault)).max(PORT_MAX, says(fault)),
        z.string().regex(PORTS_PATTERN, says(fault))
      ],
      says(fault)
    )
    .meta({ description, examples: [3000, '3000', '80,443', '27015-27020'] })
    .transform((value, ctx) => {
      const result = parsePorts(value, smallest)
      if ('ports' in result) return result.ports
      ctx.addIssue({ code: 'custom', message: result.fault, input: value })
      return z.NEVER
    })
}

const PROTO_EXAMPLES = ['udp', 'tcp', 'tcpudp', 'tcp+udp']

const protos = z
  .string(notText('a protocol is "udp", "tcp" or "tcpudp"'))
  .regex(
    PROTOS_PATTERN,
    says(value => {
      const result = parseProtos(value)
      return 'fault' in result ? result.fault : ''
    })
  )
  .meta({
    description: 'How the traffic is carried; several for the same port are joined by "+".',
    examples: PROTO_EXAMPLES
  })
  .transform((value, ctx) => {
    const result = parseProtos(value)
    if ('protos' in result) return result.protos
    ctx.addIssue({ code: 'custom', message: result.fault, input: value })
    return z.NEVER
  })

function host(description: string) {
  return z
    .string(notText(`an address such as "192.168.1.20", or a name; left out it is ${THIS_MACHINE}`))
    .superRefine((value, ctx) => {
      const message = hostFault(value)
      if (message) ctx.addIssue({ code: 'custom', message, input: value })
    })
    .meta({ description })
    .prefault(THIS_MACHINE)
}

const name = z
  .string(notText('a name is free text'))
  .meta({ description: 'What you call it: free text, shown to people.' })
  .optional()

const secret = z
  .string(notText('a server needs its secret, the text that its public key comes from', false))
  .min(1, { error: 'is empty; give a long one that nobody guesses' })
  .meta({ description: "The text that the server's keys come from. Long, random, and never shared." })
  .transform(text => new Secret(text))

function key(missing: string, description: string) {
  return z
    .string(notText(missing))
    .meta({ description })
    .transform((text, ctx) => {
      try {
        return decodeKey(text)
      } catch (err) {
        const message = (err as Error).message.replace(/^the public key /, '')
        ctx.addIssue({ code: 'custom', message, input: text })
        return z.NEVER
      }
    })
}

const publicKey = key(
  'a client needs the public key that its server shows when it starts',
  "The server's public key in base58, z-base-32 or hex, as the server shows it when it starts."
)

const ticket = z
  .string(notText('a ticket is the text that begins with hnat1', false))
  .meta({
    description:
      "The server's ticket, as the server shows it when it starts: in place of publicKey, and of port and proto where all that it names shall be opened."
  })
  .transform((text, ctx) => {
    try {
      return decodeTicket(text)
    } catch (err) {
      const message = (err as Error).message.replace(/^the ticket /, '')
      // Not the text: an invite in it is a secret.
      ctx.addIssue({ code: 'custom', message, params: { code: codeOf(err) } })
      return z.NEVER
    }
  })

/** Devices of one guest: beyond it a limit is none. */
export const DEVICES_MAX = 256

const guestName = z
  .string(notText('it is what you call the guest'))
  .superRefine((value, ctx) => {
    const message = guestNameFault(value)
    if (message) ctx.addIssue({ code: 'custom', message, input: value })
  })
  .meta({ description: 'What you call the guest: shown in logs and events.' })

export const allowedShape = {
  name: guestName.optional(),
  publicKey: z
    .string(notText('it is the key that hyper-nat id shows'))
    .meta({ description: 'What hyper-nat id shows.' })
}

const allowed = z
  .union(
    [z.string(), z.strictObject(allowedShape)],
    says(value => {
      const what = 'a public key in quotes, or { "name": "..", "publicKey": ".." }'
      return typeof value === 'object' && value !== null
        ? `is not complete; it is ${what}`
        : `is ${quote(value)}; it is ${what}`
    })
  )
  .transform((value, ctx) => {
    const { publicKey: text, ...rest } = typeof value === 'string' ? { publicKey: value } : value
    try {
      return { ...rest, publicKey: decodeKey(text) }
    } catch (err) {
      const message = (err as Error).message.replace(/^the public key /, '')
      ctx.addIssue({ code: 'custom', message, input: text })
      return z.NEVER
    }
  })

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

function moment(description: string) {
  const fault = says(
    value => `is ${quote(value)}; give a day and time with its zone, such as "2030-12-31T18:00:00Z"`
  )
  return z
    .string(fault)
    .regex(MOMENT, fault)
    .meta({ description })
    .transform((text, ctx) => {
      const ms = Date.parse(text)
      if (!Number.isNaN(ms)) return ms
      ctx.addIssue({ code: 'custom', message: fault.error({ input: text }), input: text })
      return z.NEVER
    })
    .optional()
}

const nonceFault = says(
  value =>
    `is ${value === undefined ? 'missing' : quote(value)}; hyper-nat invite makes it: ${2 * NONCE_BYTES} random digits from 0 to 9 and a to f`
)
const devicesFault = says(
  value => `is ${quote(value)}; give a whole number from 1 to ${DEVICES_MAX}, or leave it out for no limit`
)
const mapFault = says(value => `is ${quote(value)}; give ports such as "25565" or "udp:19132", or a name`)

export const inviteShape = {
  name: guestName,
  madeFor: guestName
    .meta({ description: 'The name that the ticket was made for, where the guest has another one since.' })
    .optional(),
  nonce: z
    .string(nonceFault)
    .regex(new RegExp(`^[0-9a-f]{${2 * NONCE_BYTES}}$`), nonceFault)
    .meta({
      description: 'Random; with the secret it makes the key of the guest. Another one makes the ticket void.'
    })
    .transform(text => Buffer.from(text, 'hex')),
  maps: z
    .array(
      z.union([z.int(), z.string()], mapFault),
      says(value => `is ${quote(value)}; give a list such as ["25565", "udp:19132"]`)
    )
    .min(1, { error: 'is an empty list; leave it out for all ports' })
    .meta({
      description:
        'What the guest may use: ports, with or without their protocol, and names of entries. All if left out.',
      examples: [['25565', 'udp:19132', 'My game']]
    })
    .optional(),
  expires: moment('When the invite ends; never if left out.'),
  maxDevices: z
    .int(devicesFault)
    .min(1, devicesFault)
    .max(DEVICES_MAX, devicesFault)
    .meta({ description: 'On how many devices at a time it can be used; no limit if left out.' })
    .optional(),
  created: moment('When it was made: for you to know.')
}

const invite = z.strictObject(
  inviteShape,
  says(value => `is ${quote(value)}; an invite is an object that hyper-nat invite writes`)
)

function yesOrNo(description: string) {
  return z
    .boolean(says(value => `is ${quote(value)}; give true or false`))
    .meta({ description })
    .optional()
}

const game = z
  .string(notText('it is a game that hyper-nat games lists'))
  .min(1, { error: 'is empty; it is a game that hyper-nat games lists' })
  .meta({ examples: ['minecraft', 'openarena'] })

const discovery = yesOrNo(
  'Whether the server shows up in the LAN list of the game; true if left out. Only with a game.'
)

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
    'The port or ports to share: those of the target, and those that clients ask for. With a game, others than its own, in the order of its recipe.'
  ).optional(),
  game: game.meta({ description: 'The game whose ports to share, in place of port and proto.' }).optional(),
  optionalPorts: yesOrNo('Whether to share also the ports that the game can do without; false if left out.'),
  discovery,
  host: host('Where the program listens whose port is shared: this machine, or another on its LAN.'),
  playerAddresses: yesOrNo(
    'Whether the program sees each guest come from an address of its own, 127.x.y.z, for its bans, limits and logs. It must be on this machine. Leave it out for services that trust 127.0.0.1 alone.'
  ),
  proxyProtocol: yesOrNo(
    "Whether each TCP connection begins with a header of the PROXY protocol (version 2) that tells the guest's address; the program must expect it."
  ),
  duplicate: yesOrNo(
    'Whether small UDP datagrams to guests are sent twice, for lines that lose packets. What guests send, they say in their own entry.'
  ),
  secret,
  private: yesOrNo(
    'Whether only guests in "invites" and keys in "allow" come in; otherwise everybody does who has the public key. Holds for all entries of one secret.'
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
  localHost: host('The address on this machine to listen on; 0.0.0.0 or :: lets others on the LAN in.'),
  duplicate: yesOrNo(
    'Whether small UDP datagrams to the server are sent twice, for lines that lose packets. What the server sends, it says in its own entry.'
  ),
  publicKey: publicKey.optional(),
  ticket: ticket.optional(),
  game: game
    .meta({
      description: 'The game whose ports to open, in place of port and proto. A ticket tells it itself.'
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
  // For editors; check.ts judges it, so that it is told with all other faults.
  .meta({
    oneOf: [
      { required: ['publicKey'], anyOf: [{ required: ['port'] }, { required: ['game'] }] },
      { required: ['ticket'] }
    ]
  })

/** For an entry whose mode is wrong or missing: its other keys are still judged by what they hold. */
export const unknownEntry = z
  .strictObject({ ...serverShape, ...clientShape })
  .partial()
  .extend({ mode: z.unknown().optional() })

export const networkShape = {
  bootstrap: z
    .array(
      z.string(notText('a node is "host:port"')).superRefine((value, ctx) => {
        const message = bootstrapFault(value)
        if (message) ctx.addIssue({ code: 'custom', message, input: value })
      }),
      says(value => `is ${quote(value)}; give a list such as ["203.0.113.7:49737"]`)
    )
    .min(1, { error: 'is an empty list; leave it out to use the public DHT' })
    .meta({ description: 'host:port of the DHT nodes to start from; the public DHT if left out.' })
    .optional(),
  relay: z
    .array(
      key(
        'a relay is the public key that hyper-nat relay shows',
        'The public key that the relay shows when it starts.'
      ),
      says(value => `is ${quote(value)}; give a list of the public keys that hyper-nat relay shows`)
    )
    .min(1, { error: 'is an empty list; leave it out to use no relay' })
    .meta({
      description:
        'Relays for when no direct path can be opened, the preferred first. One side that names them is enough.'
    })
    .optional(),
  portMapping: yesOrNo(
    'Whether servers here ask the router for a port that leads to them (UPnP, NAT-PMP, PCP); true if left out.'
  )
}

const network = z
  .strictObject(
    networkShape,
    says(value => `is ${quote(value)}; give an object such as { "bootstrap": ["203.0.113.7:49737"] }`)
  )
  .meta({ description: 'How this machine reaches the DHT.' })

const uiFault = says(
  value =>
    `is ${quote(value)}; give true, false or { "port": 8765 }, with a port from 0 (any free one) to ${PORT_MAX}`
)

const ui = z
  .union(
    [z.boolean(), z.strictObject({ port: z.int(uiFault).min(0, uiFault).max(PORT_MAX, uiFault) }, uiFault)],
    uiFault
  )
  .meta({
    description:
      'Whether there is a page on this computer to look at and to change all this; with a port, always at that one.'
  })
  .transform(value => (value === true ? { port: 0 } : value || undefined))

const metricsPortFault = says(
  value =>
    `is ${value === undefined ? 'missing' : quote(value)}; give a whole number from 0 (any free one) to ${PORT_MAX}`
)

export const metricsShape = {
  port: z
    .int(metricsPortFault)
    .min(0, metricsPortFault)
    .max(PORT_MAX, metricsPortFault)
    .meta({ description: 'The TCP port; 0 for any free one.' }),
  host: host('The address on this machine to listen on; others can read the metrics unless it is 127.0.0.1.')
}

const metrics = z
  .strictObject(
    metricsShape,
    says(value => `is ${quote(value)}; give an object such as { "port": 9464 }`)
  )
  .meta({ description: 'Serves metrics for Prometheus, at http://127.0.0.1:PORT/metrics.' })

const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const

export const logShape = {
  file: z
    .string(notText('it is the name of a file'))
    .min(1, { error: 'is empty; it is the name of a file' })
    .meta({
      description: 'The file, relative to this one. At 10 MB it becomes FILE.1, and a new one begins.'
    }),
  level: z
    .enum(
      LOG_LEVELS,
      says(value => `is ${quote(value)}; give ${oneOf(LOG_LEVELS.map(level => `"${level}"`))}`)
    )
    .meta({ description: 'The least that is written; info if left out.' })
    .optional()
}

const log = z
  .strictObject(
    logShape,
    says(value => `is ${quote(value)}; give an object such as { "file": "hyper-nat.log" }`)
  )
  .meta({ description: 'A log in a file: one JSON object per line.' })

function seconds(min: number, max: number, description: string) {
  const error = says(value => `is ${quote(value)}; give a number of seconds from ${min} to ${max}`)
  return z.number(error).min(min, error).max(max, error).meta({ description }).optional()
}

/** A number of src/limits.ts; 0, where it may be given, is for none. */
function limit(min: number, max: number, preset: number, description: string) {
  const error = says(value => `is ${quote(value)}; give a whole number from ${min} to ${max}`)
  const none = min === 0 ? '; 0 for no limit' : ''
  return z
    .int(error)
    .min(min, error)
    .max(max, error)
    .meta({ description: `${description} (${preset}${none}).` })
    .optional()
}

/** Named as in src/limits.ts. */
export const limitsShape = {
  sessions: limit(1, 65_536, LIMITS.sessions, 'Sessions of one server at a time'),
  guestSessions: limit(1, DEVICES_MAX, LIMITS.guestSessions, 'Sessions of one guest at a time'),
  tcpFlows: limit(1, 65_536, LIMITS.tcpFlows, 'TCP connections of one session at a time'),
  udpFlows: limit(1, 65_536, LIMITS.udpFlows, 'UDP conversations of one session at a time'),
  flowsPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.flowsPerSecond,
    `New TCP connections of one guest per second, after the first ${LIMITS.flowBurst}; further ones wait`
  ),
  framesPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.framesPerSecond,
    'Frames of one guest per second that carry tcp; further ones wait'
  ),
  udpPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.udpPerSecond,
    'UDP datagrams of one guest per second, each way; further ones are dropped'
  ),
  datagramsPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.datagramsPerSecond,
    'Packets of one guest per second that carry udp and tcpudp; further ones are dropped'
  ),
  guestBytesPerSecond: limit(
    0,
    Number.MAX_SAFE_INTEGER,
    LIMITS.guestBytesPerSecond,
    'Bytes of one guest per second, both ways together: tcp and tcpudp wait, udp is dropped'
  ),
  greetings: limit(
    1,
    65_536,
    LIMITS.greetings,
    'Connections at a time that have not shown yet that they know the public key'
  ),
  handshakesPerMinute: limit(
    1,
    RATE_MAX,
    LIMITS.handshakesPerMinute,
    'Handshakes of strangers per minute that are answered'
  ),
  addressHandshakesPerMinute: limit(
    1,
    RATE_MAX,
    LIMITS.addressHandshakesPerMinute,
    'Handshakes per minute of one address, or one known guest, that are answered'
  ),
  handshakeLooksPerSecond: limit(
    1,
    RATE_MAX,
    LIMITS.handshakeLooksPerSecond,
    'Handshakes per second that are decrypted, to see whose they are'
  )
}

const limits = z
  .strictObject(
    limitsShape,
    says(value => `is ${quote(value)}; give an object such as { "sessions": 20 }`)
  )
  .meta({ description: 'What servers here allow their guests.' })

const topShape = {
  $schema: z
    .unknown()
    .meta({ description: 'For editors: where the JSON Schema of this file is.' })
    .optional(),
  network: network.optional(),
  identity: z
    .string(notText('it is the name of a file'))
    .min(1, { error: 'is empty; it is the name of a file, or left out for a fresh key each time' })
    .meta({
      description:
        'A file with the key by which servers know this computer, relative to this file; made on first use. A fresh key each time if left out.'
    })
    .optional(),
  metrics: metrics.optional(),
  log: log.optional(),
  control: z
    .union([z.literal(false), z.string().min(1)], says(controlFault))
    .meta({
      description:
        'The folder of the socket through which hyper-nat status, stop, reload and logs reach this one, relative to this file; false: none. Where the system has such things if left out.'
    })
    .optional(),
  udpIdle: seconds(
    1,
    UDP_IDLE_MAX,
    'Seconds without a datagram until a UDP conversation is forgotten (300).'
  ),
  resume: seconds(0, RESUME_MAX, 'Seconds that open connections wait for a lost path to come back (60).'),
  ui: ui.optional(),
  limits: limits.optional()
}

function controlFault(value: unknown): string {
  return `is ${quote(value)}; give the name of a folder, or false for no control socket`
}

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
    ...topShape,
    schema: z.array(z.unknown(), says(schemaFault))
  },
  says(topFault)
)

/** What commands have that neither share nor open ports. */
export const networkOnly = z.strictObject({ network: network.optional() })

/** The whole file, for the JSON Schema and for the type of what people write. */
export const wholeFile = z.strictObject({
  ...topShape,
  schema: z
    .array(z.discriminatedUnion('mode', [serverEntry, clientEntry]))
    .meta({ description: 'The entries: each shares or opens a port, a list or a range of ports.' })
})

/** What options.json may hold, before defaults. */
export type OptionsInput = z.input<typeof wholeFile>

/** What flags are turned into, before anything is judged: the shape of a file, whatever its values. */
export interface RawOptions {
  schema: Record<string, unknown>[]
  network?: { bootstrap?: unknown; relay?: unknown; portMapping?: unknown }
}
