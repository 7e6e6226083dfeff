/** Judges who comes: by the rules of one server, the key that the other side has proved to hold, and the time of day. */

import b4a from 'b4a'
import { HyperNatError } from '../errors.js'
import type { AccessRules } from '../identity/access-rules.js'
import { GuestKey } from '../identity/guest.js'
import type { KeyPair } from '../identity/keys.js'
import type { Proto } from '../proto.js'

/** A guest who is admitted. */
export interface Grant {
  /** What the server's owner calls them; undefined for others who know the public key. */
  readonly name: string | undefined
  /** The port maps to use, as {@link mapKey} names them; null: all. */
  readonly maps: ReadonlySet<string> | null
  /** When that ends, milliseconds since 1970; Infinity: never. */
  readonly expires: number
  /** Sessions at a time under this key; undefined: as many as any key may have. */
  readonly maxDevices: number | undefined
}

const ANYBODY: Grant = {
  name: undefined,
  maps: null,
  expires: Number.POSITIVE_INFINITY,
  maxDevices: undefined
}

const NOT_INVITED = new HyperNatError(
  'NOT_INVITED',
  'The server is private, and this computer is not invited, or no longer: ask the host for an invite.'
)

const BLOCKED = new HyperNatError(
  'NOT_INVITED',
  'The host has removed this computer: ask to be let in again.'
)

const INVITE_EXPIRED = new HyperNatError(
  'INVITE_EXPIRED',
  'This invite has expired: ask the host for a new one.'
)

const TOO_MANY_DEVICES = new HyperNatError(
  'TOO_MANY_DEVICES',
  'This invite, or this key, is in use on as many devices as it allows: stop hyper-nat on one of them, or ask the host for another invite.'
)

export class Access {
  /** Whether only those come in who are named in the rules. */
  readonly isPrivate: boolean
  /** By public key in hex. */
  readonly #grants = new Map<string, Grant>()
  /** In hex. */
  readonly #blocked: ReadonlySet<string>

  /** @param server the server's own key pair, from which the keys of its guests come */
  constructor(rules: AccessRules, server: KeyPair) {
    this.isPrivate = rules.private
    this.#blocked = new Set(rules.block?.map(({ publicKey }) => hex(publicKey)))
    for (const { name, publicKey } of rules.allow) {
      this.#grants.set(hex(publicKey), { ...ANYBODY, name })
    }
    for (const { name, madeFor, nonce, maps, expires, maxDevices } of rules.invites) {
      this.#grants.set(hex(GuestKey.of(server, madeFor ?? name, nonce).publicKey), {
        name,
        maps: maps ? new Set(maps.map(mapKey)) : null,
        expires: expires ?? ANYBODY.expires,
        maxDevices
      })
    }
  }

  /**
   * Who holds this key, or why they may not come in.
   * @param now milliseconds since 1970
   */
  judge(key: Uint8Array, now: number): Grant | HyperNatError {
    if (this.#blocked.has(hex(key))) return BLOCKED
    const grant = this.#grants.get(hex(key))
    if (!grant) return this.isPrivate ? NOT_INVITED : ANYBODY
    return grant.expires <= now ? INVITE_EXPIRED : grant
  }

  /** Whether this key stands in the rules, for better or worse. */
  knows(key: Uint8Array): boolean {
    return this.#grants.has(hex(key)) || this.#blocked.has(hex(key))
  }

  /** Whether the holder of this key is to learn nothing at all, neither an answer nor an address. */
  hides(key: Uint8Array, now: number): boolean {
    return this.isPrivate && this.judge(key, now) instanceof HyperNatError
  }
}

/**
 * Why one device more is too many; null when it is not.
 * @param most sessions at a time under a key of which the rules say nothing else
 */
export function refuseDevice({ maxDevices }: Grant, devices: number, most: number): HyperNatError | null {
  return devices < (maxDevices ?? most) ? null : TOO_MANY_DEVICES
}

export function mayUse({ maps }: Grant, map: { readonly proto: Proto; readonly port: number }): boolean {
  return maps === null || maps.has(mapKey(map))
}

/** Whether both may use the same port maps. */
export function sameMaps(a: Grant, b: Grant): boolean {
  if (a.maps === null || b.maps === null) return a.maps === b.maps
  const other = b.maps
  return a.maps.size === other.size && [...a.maps].every(map => other.has(map))
}

function mapKey({ proto, port }: { readonly proto: Proto; readonly port: number }): string {
  return `${proto} ${port}`
}

function hex(key: Uint8Array): string {
  return b4a.toString(key, 'hex')
}
