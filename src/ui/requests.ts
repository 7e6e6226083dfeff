/** What requests of the page look like, and which of its fields a fault is about. */
import * as z from 'zod'
import { type Fault, OptionsError } from '../errors.js'
import { decodeKey, encodeKey } from '../identity/encoding.js'
import type { Places } from '../options/places.js'
import { DEVICES_MAX } from '../options/schema-access.js'
import type { Action, Requests } from './wire.js'

/** Ten years, as on the command line. */
const DAYS_MAX = 3650

/** Kinds of ports that one share has: more is a matter for the file. */
const ROWS_MAX = 16

/** Entries of one server that can be changed together. */
const ENTRIES_MAX = 256

const publicKey = z.string()

/** A key, as the view shows it. */
const key = z.string().transform((text, ctx) => {
  try {
    return encodeKey(decodeKey(text))
  } catch {
    ctx.addIssue({ code: 'custom', message: 'is no public key', input: text })
    return z.NEVER
  }
})

/** What both ways to host are told. */
const hosted = { name: z.string(), host: z.string(), private: z.boolean() }

/** What requests look like; what their texts say is judged by who judges the file. */
const SHAPES: { readonly [A in Action]: z.ZodType<Requests[A]> } = {
  games: z.strictObject({}),
  host: z.strictObject({
    ...hosted,
    rows: z
      .array(z.strictObject({ ports: z.string(), proto: z.string() }))
      .min(1)
      .max(ROWS_MAX)
  }),
  hostGame: z.strictObject({ ...hosted, game: z.string(), ports: z.string() }),
  stop: z.strictObject({ publicKey }),
  edit: z.strictObject({
    publicKey,
    name: z.string().optional(),
    rows: z
      .array(z.strictObject({ ports: z.string().optional(), proto: z.string().optional() }))
      .max(ENTRIES_MAX)
      .exactOptional()
  }),
  pause: z.strictObject({ publicKey, paused: z.boolean() }),
  private: z.strictObject({ publicKey, private: z.boolean() }),
  roster: z.strictObject({ publicKey, roster: z.boolean() }),
  look: z.strictObject({ ticket: z.string() }),
  join: z.strictObject({ ticket: z.string(), friend: z.string().optional(), sure: z.boolean().optional() }),
  friends: z.strictObject({}),
  presence: z.strictObject({}),
  joinFriend: z.strictObject({ name: z.string(), sure: z.boolean().optional() }),
  removeFriend: z.strictObject({ name: z.string() }),
  leave: z.strictObject({ publicKey }),
  invite: z.strictObject({
    publicKey,
    name: z.string(),
    days: z.number().positive().max(DAYS_MAX).optional(),
    maxDevices: z.int().min(1).max(DEVICES_MAX).optional()
  }),
  ticket: z.strictObject({ publicKey, name: z.string() }),
  revoke: z.strictObject({ publicKey, name: z.string() }),
  rename: z.strictObject({ publicKey, name: z.string(), to: z.string() }),
  nameGuest: z.strictObject({ publicKey, peer: key, to: z.string() }),
  block: z.strictObject({ publicKey, peer: key, blocked: z.boolean() }),
  hide: z.strictObject({ id: z.int() }),
  settings: z.strictObject({}),
  setSettings: z.strictObject({
    relays: z.string().exactOptional(),
    portMapping: z.boolean().exactOptional(),
    lan: z.boolean().exactOptional(),
    ipv6: z.boolean().exactOptional()
  })
}

/** The fields of the page that flags of the command line stand for. */
const FIELDS: Readonly<Record<string, string>> = { NAME: 'name', TICKET: 'ticket' }

export function isAction(name: string): name is Action {
  return Object.hasOwn(SHAPES, name)
}

/**
 * Checks the shape of a request.
 * @param body what came, of whatever shape
 * @throws OptionsError `BAD_USAGE` for another shape
 */
export function checkRequest<A extends Action>(action: A, body: unknown): Requests[A] {
  const request = SHAPES[action].safeParse(body)
  if (request.success) return request.data
  const faults = request.error.issues.map(({ path, message }) => ({ path: fieldPlaces.field(path), message }))
  throw new OptionsError(faults, 'BAD_USAGE')
}

/** Paths of the faults of a server or client that was removed meanwhile, in another window or in the file. */
const REMOVED: readonly string[] = ['--server', 'publicKey']

/** The same fault, about a field of the page in place of a flag of the command line. */
export function ofField(fault: Fault): Fault {
  if (REMOVED.includes(fault.path)) {
    return {
      ...fault,
      path: '',
      message: 'This is no longer in the file: it was removed in the meantime'
    }
  }
  return { ...fault, path: FIELDS[fault.path] ?? fault.path }
}

/** Fields of the page: the entries of a new share are its rows. */
export const fieldPlaces: Places = {
  field: path => {
    const [top, index, key] = path
    if (top !== 'schema') return path.map(String).join('.')
    if (key === 'port' || key === 'proto') return `rows[${String(index)}].${key === 'port' ? 'ports' : key}`
    return key === undefined ? `rows[${String(index)}]` : String(key)
  },
  entry: index => `rows[${index}]`
}

/** The same where a game is shared: there is one entry. */
export const gamePlaces: Places = {
  field: path => {
    const key = String(path[2] ?? 'game')
    return key === 'port' ? 'ports' : key
  },
  entry: () => 'game'
}
