/** A server as the library shares it: its port maps, its access rules, and the tickets that lead to it. */
import type { Players } from '../access/players.js'
import { HyperNatError, OptionsError } from '../errors.js'
import { type AccessRules, type AllowedKey, type Invite, OPEN } from '../identity/access-rules.js'
import { encodeKey, keyOf } from '../identity/encoding.js'
import { NONCE_BYTES } from '../identity/guest.js'
import { type KeyPair, keyPairOf } from '../identity/keys.js'
import { inviteTicket, serverTicket } from '../identity/server-ticket.js'
import type { TicketMap } from '../identity/ticket.js'
import { type Deps, depsOf } from '../network/deps.js'
import { checkAccess, checkInvite, checkShare, checkSharedMaps } from '../options/arguments.js'
import { featureFaults, perFeature } from '../options/features.js'
import type { Resources } from '../sockets/resources.js'
import type { ServerStatus } from '../status.js'
import { LOCALHOST, typedHost } from '../text/address.js'
import type { AccessOptions, MapToHandle, MapToShare, ServerHandle, WhatToShare } from './handle.js'
import { Server } from './server.js'
import type { ServerMap } from './shared-maps.js'

/** What a shared server needs besides what it shares. */
export interface SharedServerDeps extends Deps {
  readonly players: Players
  /** What peers may use of this process. */
  readonly resources: Resources
  /** How guests find it, for its tickets: `host:port` of DHT nodes, keys and addresses of relays. */
  readonly reached: {
    readonly bootstrap: readonly string[]
    readonly relays: readonly (Uint8Array | string)[]
  }
  /** Whether a server of this node shares the port. */
  readonly isShared: (port: number) => boolean
  /** Called when it is being closed, with when it is. */
  readonly onclose: (closed: Promise<void>) => void
}

export class SharedServer implements ServerHandle {
  readonly #deps: SharedServerDeps
  readonly #keyPair: KeyPair
  readonly #server: Server
  /** What tickets say of the port maps, as it was when they were given. */
  #maps: readonly TicketMap[]
  #rules: AccessRules
  #ticket: string | undefined
  #closing: Promise<void> | null = null

  /** @throws HyperNatError BAD_SECRET, BAD_PUBLIC_KEY, BAD_OPTIONS */
  constructor(what: WhatToShare, given: SharedServerDeps) {
    checkShare(what)
    const { secret, maps, former = [] } = what
    this.#rules = rulesOf(what)
    this.#keyPair = keyPairOf(secret)
    const deps = depsOf(given, encodeKey(this.#keyPair.publicKey))
    this.#deps = deps
    this.#maps = maps.map(named)
    this.#ticket = this.#newTicket(maps)
    this.#server = new Server({
      ...deps,
      keyPair: this.#keyPair,
      ticket: this.#ticket,
      access: this.#rules,
      former: former.map(keyOf),
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

  shares(port: number): boolean {
    return this.#server.shares(port)
  }

  setMaps(maps: readonly (MapToShare | MapToHandle)[]): void {
    this.#check()
    checkSharedMaps(maps)
    const ticket = this.#newTicket(maps)
    this.#server.setMaps(maps.map(serverMap), ticket)
    this.#maps = maps.map(named)
    this.#ticket = ticket
  }

  update(access: AccessOptions): void {
    this.#check()
    checkAccess(access)
    this.#apply(rulesOf(access))
  }

  invite(guest: Omit<Invite, 'nonce'>): { readonly invite: Invite; readonly ticket: string } {
    this.#check()
    checkInvite(guest)
    if (isNamed(this.#rules, guest.name)) {
      throw new HyperNatError('NAME_TAKEN', 'Somebody else has this name already: choose another one.')
    }
    // Spread syntax would leave out what an object inherits from its class.
    const { name, madeFor, maps, expires, maxDevices, created } = guest
    const invite: Invite = {
      name,
      ...(madeFor !== undefined && { madeFor }),
      ...(maps && { maps: maps.map(({ proto, port }) => ({ proto, port })) }),
      ...(expires !== undefined && { expires }),
      ...(maxDevices !== undefined && { maxDevices }),
      ...(created !== undefined && { created }),
      nonce: this.#deps.random(NONCE_BYTES)
    }
    const ticket = inviteTicket(this.#keyPair, invite, { maps: this.#maps, ...this.#deps.reached })
    this.#apply({ ...this.#rules, invites: [...this.#rules.invites, invite] })
    return { invite, ticket }
  }

  revoke(name: string): boolean {
    this.#check()
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
    if (!this.#closing) {
      this.#closing = this.#server.close()
      this.#deps.onclose(this.#closing)
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#closing) throw new HyperNatError('CLOSED', 'This server is closed.')
  }

  #apply(rules: AccessRules): void {
    this.#rules = rules
    this.#server.update(rules)
  }

  /** What friends need to reach it. */
  #newTicket(maps: readonly (MapToShare | MapToHandle)[]): string | undefined {
    const { publicKey } = this.#keyPair
    try {
      return serverTicket({ publicKey, maps, ...this.#deps.reached })
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const message = `There is no ticket for this server, share its public key instead. ${err.message}`
      this.#deps.emit({ event: 'warning', code: err.code, message })
      return undefined
    }
  }
}

function named({ proto, port, name, guestPorts }: MapToShare | MapToHandle): TicketMap {
  return { proto, port, ...(name !== undefined && { name }), ...(guestPorts && { guestPorts }) }
}

/** @throws OptionsError for what this protocol or target cannot have */
function serverMap(given: MapToShare | MapToHandle): ServerMap {
  const map: MapToShare = given
  const { onconnection, onflow } = given as Partial<Record<'onconnection' | 'onflow', ServerMap['handler']>>
  const handler = onconnection ?? onflow
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
    handler,
    ...perFeature((_, name) => map[name] ?? false)
  }
}

function rulesOf({ private: isPrivate, allow, block, invites, roster }: AccessOptions): AccessRules {
  return {
    private: isPrivate ?? OPEN.private,
    allow: allow?.map(allowed) ?? OPEN.allow,
    invites: invites ?? OPEN.invites,
    ...(block && { block: block.map(allowed) }),
    ...(roster && { roster: true as const })
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
