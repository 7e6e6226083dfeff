/** Who may come in to a server, as options.json tells it, in zod: guests with invites, and public keys. */
import * as z from 'zod'
import { NONCE_BYTES } from '../identity/guest.js'
import { quote } from '../text/quote.js'
import { guestNameFault } from './guest-name.js'
import { keyOf, notText, says } from './schema-fields.js'

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

export const allowed = z
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
    return { ...rest, publicKey: keyOf(text, ctx) }
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
      const [year, month, day] = text.slice(0, 10).split('-').map(Number) as [number, number, number]
      // February 30 would be a day in March.
      const isDay = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day
      if (!Number.isNaN(ms) && isDay) return ms
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
  value =>
    `is ${quote(value)}; give a whole number from 1 to ${DEVICES_MAX}, or leave it out for as many as a guest may have (limits.guestSessions, 32)`
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
    .meta({
      description:
        'On how many devices at a time it can be used; as many as limits.guestSessions (32) if left out.'
    })
    .optional(),
  created: moment('When it was made: for you to know.')
}

export const invite = z.strictObject(
  inviteShape,
  says(value => `is ${quote(value)}; an invite is an object that hyper-nat invite writes`)
)
