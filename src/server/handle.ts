/** A server as the library gives it: what it shares, who may come in, and the tickets that lead to it. */
import type { Players } from '../access/players.js'
import { HyperNatError, OptionsError } from '../errors.js'
import type { Lobby } from '../games/lobby.js'
import { type AccessRules, type AllowedKey, type Invite, OPEN } from '../identity/access-rules.js'
import { keyOf } from '../identity/encoding.js'
import { NONCE_BYTES } from '../identity/guest.js'
import { type KeyPair, keyPairOf } from '../identity/keys.js'
import { Secret } from '../identity/secret.js'
import { inviteTicket, serverTicket } from '../identity/server-ticket.js'
import type { GuestPorts } from '../identity/ticket.js'
import type { Deps } from '../network/deps.js'
import { featureFaults, perFeature, type ServerFeatures } from '../options/features.js'
import type { Proto } from '../proto.js'
import type { ServerStatus } from '../status.js'
import { LOCALHOST, typedHost } from '../text/address.js'
import { Server } from './server.js'
import type { ServerMap } from './shared-maps.js'

/** A port map to share. */
export interface MapToShare extends ServerFeatures {
  proto: Proto
  /** 1 to 65535: what clients ask for, and the target's port. */
  port: number
  /** The target's host; this machine if left out. */
  host?: string
  /** What its owner calls it; the ticket tells it to friends. */
  name?: string
  /** How the guests' games find it (`lobbyOf` makes it of a recipe); left out: not in their LAN lists. */
  lobby?: Lobby
  /** What the program needs of the ports at guests, the same for all maps of one name: the ticket tells it. */
  guestPorts?: GuestPorts
}

/** Who may come in to a server; what is left out is as in {@link OPEN}. */
export interface AccessOptions {
  /** Whether only those named here come in; otherwise everybody who knows the server's public key does. */
  private?: boolean | undefined
  /** Keys of people (`hyper-nat id` shows theirs), as text or 32 bytes, or with a name for events and logs. */
  allow?:
    | readonly (string | Uint8Array | { name?: string | undefined; publicKey: string | Uint8Array })[]
    | undefined
  /** Guests with tickets of their own: what {@link Shared.invite} gave, kept from one run to the next. */
  invites?: readonly Invite[] | undefined
}

/** What is shared under one secret, and with whom. */
export type WhatToShare = { secret: string | Secret; maps: readonly MapToShare[] } & AccessOptions

/** What `HyperNat.share` gives. */
export interface Shared {
  /** The server's public key, in base58. */
  readonly publicKey: string
  /** What to give to friends, as one text; undefined where it is too much for one (a `warning` event says why). */
  readonly ticket: string | undefined
  /**
   * Other port maps from now on, told to clients at once. Connections through those that are gone, or lead to another host, are
   * reset; the others go on.
   * @throws HyperNatError BAD_OPTIONS, as `HyperNat.share` does; all stays as it was then
   */
  setMaps(maps: readonly MapToShare[]): void
  /**
   * Other rules from now on: those that are left out go. Sessions of whoever may no longer come in end at once; of others, only
   * those whose port maps change.
   * @throws HyperNatError BAD_PUBLIC_KEY for a key in `allow`; the rules stay as they are then
   */
  update(access: AccessOptions): void
  /**
   * Lets one guest more in, now.
   * @param guest.name unlike those of others
   * @returns the guest's ticket, which is a secret, and the invite, which is none, to be given to `share` next time
   * @throws HyperNatError NAME_TAKEN, TICKET_TOO_LONG
   */
  invite(guest: Omit<Invite, 'nonce'>): { readonly invite: Invite; readonly ticket: string }
  /**
   * Takes back an invite, or the permission of a key by its name: the sessions of that guest end at once. Of a server that is
   * not private, whoever has its public key can come in again, as somebody without a name.
   * @returns whether there was one
   */
  revoke(name: string): boolean
  close(): Promise<void>
}

/** What a shared server needs besides what it shares. */
export interface SharedServerParts extends Deps {
  readonly players: Players
  /** How guests find it, for its tickets: `host:port` of DHT nodes, keys of relays. */
  readonly reached: { readonly bootstrap: readonly string[]; readonly relays: readonly Uint8Array[] }
  /** Hears that it is being closed. */
  readonly onclose: () => void
}

export class SharedServer implements Shared {
  readonly #parts: SharedServerParts
  readonly #keyPair: KeyPair
  readonly #server: Server
  #maps: readonly MapToShare[]
  #rules: AccessRules
  #ticket: string | undefined

  /** @throws HyperNatError BAD_SECRET, BAD_PUBLIC_KEY, BAD_OPTIONS */
  constructor({ secret, maps, ...access }: WhatToShare, parts: SharedServerParts) {
    this.#parts = parts
    this.#rules = rulesOf(access)
    this.#keyPair = keyPairOf(secret instanceof Secret ? secret : new Secret(secret))
    this.#maps = maps
    this.#ticket = this.#newTicket(maps)
    this.#server = new Server({
      ...parts,
      keyPair: this.#keyPair,
      ticket: this.#ticket,
      access: this.#rules,
      maps: maps.map(serverMap)
    })
  }

  get publicKey(): string {
    return this.#server.publicKey
  }

  get ticket(): string | undefined {
    return this.#ticket
  }

  /** Resolves when it is announced. */
  start(): Promise<void> {
    return this.#server.start()
  }

  status(): ServerStatus {
    return this.#server.status()
  }

  setMaps(maps: readonly MapToShare[]): void {
    const ticket = this.#newTicket(maps)
    this.#server.setMaps(maps.map(serverMap), ticket)
    this.#maps = maps
    this.#ticket = ticket
  }

  update(access: AccessOptions): void {
    this.#apply(rulesOf(access))
  }

  invite(guest: Omit<Invite, 'nonce'>): { readonly invite: Invite; readonly ticket: string } {
    if (isNamed(this.#rules, guest.name)) {
      throw new HyperNatError('NAME_TAKEN', 'Somebody else has this name already: choose another one.')
    }
    const invite = { ...guest, nonce: this.#parts.random(NONCE_BYTES) }
    const ticket = inviteTicket(this.#keyPair, invite, { maps: this.#maps, ...this.#parts.reached })
    this.#apply({ ...this.#rules, invites: [...this.#rules.invites, invite] })
    return { invite, ticket }
  }

  revoke(name: string): boolean {
    const { allow, invites } = this.#rules
    if (!isNamed(this.#rules, name)) return false
    this.#apply({
      ...this.#rules,
      allow: allow.filter(one => one.name !== name),
      invites: invites.filter(one => one.name !== name)
    })
    return true
  }

  close(): Promise<void> {
    this.#parts.onclose()
    return this.#server.close()
  }

  #apply(rules: AccessRules): void {
    this.#rules = rules
    this.#server.update(rules)
  }

  /** What friends need to reach it. */
  #newTicket(maps: readonly MapToShare[]): string | undefined {
    const { publicKey } = this.#keyPair
    try {
      return serverTicket({ publicKey, maps, ...this.#parts.reached })
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const message = `There is no ticket for this server, share its public key instead. ${err.message}`
      this.#parts.emit({ event: 'warning', code: err.code, message })
      return undefined
    }
  }
}

/** @throws OptionsError for what this protocol or target cannot have */
function serverMap(map: MapToShare): ServerMap {
  const { proto, port, name, lobby } = map
  // All addresses of this computer can be listened on; not every system can connect there.
  const host = typedHost(map.host ?? LOCALHOST)
  const faults = featureFaults({ ...map, host }, [proto], feature => `${proto} ${port}: ${feature}`)
  if (faults.length > 0) throw new OptionsError(faults)
  return {
    proto,
    port,
    host,
    name,
    lobby,
    ...perFeature((_, name) => map[name] ?? false)
  }
}

function rulesOf({ private: isPrivate, allow, invites }: AccessOptions): AccessRules {
  return {
    private: isPrivate ?? OPEN.private,
    allow: allow?.map(allowed) ?? OPEN.allow,
    invites: invites ?? OPEN.invites
  }
}

function allowed(one: NonNullable<AccessOptions['allow']>[number]): AllowedKey {
  if (typeof one === 'string' || one instanceof Uint8Array) return { publicKey: keyOf(one) }
  const { name, publicKey } = one
  return { ...(name !== undefined && { name }), publicKey: keyOf(publicKey) }
}

function isNamed({ allow, invites }: AccessRules, name: string): boolean {
  return [...allow, ...invites].some(one => one.name === name)
}
