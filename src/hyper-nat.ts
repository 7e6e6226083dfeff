/**
 * The library: one DHT node that shares port maps under secrets and opens port maps to public keys. The daemon and the CLI
 * are made of this.
 */
import { EventEmitter } from 'node:events'
import b4a from 'b4a'
import sodium from 'sodium-native'
import { Players } from './access/players.js'
import { type AccessRules, type AllowedKey, type Invite, OPEN } from './access/rules.js'
import { LOCALHOST, typedHost } from './address-text.js'
import { Client, type MapEntry } from './client.js'
import { systemClock, wallClock } from './clock.js'
import { type PingOptions, type PingSummary, ping } from './doctor/ping.js'
import { codeOf, HyperNatError, OptionsError } from './errors.js'
import type { ClientMapInfo, ConnectionInfo, DaemonEvent } from './events.js'
import type { ServerMap } from './guests/shared-maps.js'
import { childPublicKey } from './identity/child.js'
import { decodeKey } from './identity/encoding.js'
import { GuestKey, NONCE_BYTES } from './identity/guest.js'
import { type KeyPair, keyPairOf } from './identity/keys.js'
import { Secret } from './identity/secret.js'
import { inviteTicket, serverTicket } from './identity/server-ticket.js'
import { decodeTicket, type Ticket } from './identity/ticket.js'
import type { Lobby } from './lan/lobby.js'
import { DOCTOR_LIMITS, type DoctorLimits, LIMITS, type Limits } from './limits.js'
import { type Log, silentLog } from './log.js'
import type { MetricsPage } from './metrics/server.js'
import { Node } from './network/node.js'
import type { PortMappingState } from './network/port-mapping.js'
import type { Survey } from './network/survey.js'
import type { NetworkOptions, Proto } from './options/entry.js'
import { featureFaults } from './options/features.js'
import type { Outside } from './outside.js'
import { Server } from './server.js'
import { freePorts, type WantedPort } from './sockets/free-ports.js'
import type { Status } from './status.js'
import { version } from './version.js'

export interface HyperNatOptions {
  /** `host:port` of the DHT's bootstrap nodes; left out: the public DHT's. */
  bootstrap?: readonly string[] | undefined
  /**
   * Public keys of relays, as text or 32 bytes, for when there is no direct path; the preferred first. One side that names
   * them is enough.
   */
  relays?: readonly (string | Uint8Array)[] | undefined
  /**
   * The key pair by which servers know this machine's clients (`loadIdentity` keeps one in a file); left out: a fresh one,
   * which ties nothing to anybody.
   */
  identity?: KeyPair | undefined
  /**
   * Whether servers ask the home router for a UDP port that leads to them (UPnP, NAT-PMP, PCP), so that clients reach them
   * directly; true unless set.
   */
  portMapping?: boolean | undefined
  /** Those of our numbers to change. */
  limits?: Partial<Limits>
  /** Where diagnostics go; left out: nowhere. */
  log?: Log
}

/** A port map to share. */
export interface MapToShare {
  proto: Proto
  /** 1 to 65535: what clients ask for, and the target's port. */
  port: number
  /** The target's host; this machine if left out. */
  host?: string
  /** What its owner calls it; the ticket tells it to friends. */
  name?: string
  /** How the guests' games find it (`lobbyOf` makes it of a recipe); left out: not in their LAN lists. */
  lobby?: Lobby
  /**
   * Whether the target, which must be this machine's IPv4 loopback, sees each guest come from an address 127.x.y.z of its own,
   * the same each time for a guest with a lasting key. Left out: all come from 127.0.0.1.
   */
  playerAddresses?: boolean | undefined
  /**
   * Whether connections to the target begin with a header of the PROXY protocol, version 2, with the guest's player address as
   * source; not for `udp`.
   */
  proxyProtocol?: boolean | undefined
  /** Whether small payloads to guests are sent twice, for lines that lose packets; `udp` only. */
  duplicate?: boolean | undefined
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

/** A port map to open. */
export interface MapToOpen {
  proto: Proto
  /** The port at the server, 1 to 65535. */
  port: number
  /** The port here: 1 to 65535, or 0 for any free one; left out: the server's. */
  localPort?: number
  /** The address here to listen on; 127.0.0.1 if left out. */
  localHost?: string
  /** How games here find it (`lobbyOf` makes it of a recipe); left out: not in their LAN lists. */
  lobby?: Lobby
  /**
   * When the local port is in use, or not for this user: take the next free one, and tell so by a `warning` event of code
   * `PORT_MOVED`. Maps of one local port stay together. Left out: opening fails.
   */
  nextFree?: boolean
  /** Whether small payloads to the server are sent twice, for lines that lose packets; `udp` only. */
  duplicate?: boolean | undefined
  /** Where it was written, for error messages. */
  path?: string
}

/** What {@link HyperNat.share} gives. */
export interface Shared {
  /** The server's public key, in base58. */
  readonly publicKey: string
  /** What to give to friends, as one text; undefined where it is too much for one (a `warning` event says why). */
  readonly ticket: string | undefined
  /**
   * Other port maps from now on, told to clients at once. Connections through those that are gone, or lead to another host, are
   * reset; the others go on.
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

/** What {@link HyperNat.open} gives. */
export interface Opened {
  /** The maps with the local ports that were bound. */
  readonly maps: readonly ClientMapInfo[]
  /** The connection to the host that new flows go to, of perhaps several under the server's secret; null while there is none. */
  readonly connection: ConnectionInfo | null
  /** The connections to all hosts. */
  readonly connections: readonly ConnectionInfo[]
  /**
   * Whether the router of the host in use takes another port for each partner, as it said itself when it was dialled; null
   * when it did not come to that.
   */
  readonly serverIsRandom: boolean | null
  /**
   * Measures the path once, with a packet of the session's own.
   * @param host the name of the host to ask; the one that new flows go to if left out
   * @returns the round trip in ms; null without a connection, or without an answer within `answerMs`
   */
  ping(host?: string): Promise<number | null>
  /**
   * Other port maps from now on. Those that are as they were stay open, and what goes through them goes on; connections of the
   * others are reset. To be called again when it has settled.
   * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED; none of the new ones is open then
   */
  setMaps(maps: readonly Omit<MapToOpen, 'nextFree'>[]): Promise<void>
  close(): Promise<void>
}

export class HyperNat extends EventEmitter<{ event: [DaemonEvent] }> {
  readonly #limits: Limits
  readonly #log: Log
  readonly #network: NetworkOptions
  readonly #node: Node
  readonly #keyPair: KeyPair
  readonly #players: Players
  readonly #servers = new Set<Server>()
  readonly #clients = new Set<Client>()
  readonly #since = wallClock()
  #closing: Promise<void> | null = null

  /** @throws HyperNatError BAD_PUBLIC_KEY for a relay's key */
  constructor(options: HyperNatOptions = {}) {
    super()
    this.#limits = { ...LIMITS, ...options.limits }
    this.#log = options.log ?? silentLog
    this.#players = new Players(this.#limits.players)
    this.#keyPair = options.identity ?? freshKeyPair()
    const { bootstrap, relays, portMapping = true } = options
    this.#network = {
      ...(bootstrap && { bootstrap }),
      ...(relays && { relay: relays.map(keyOf) }),
      portMapping
    }
    this.#node = new Node(this.#network, this.#limits, this.#log)
  }

  /**
   * Shares port maps under a secret. Resolves when the server is announced.
   * @throws HyperNatError BAD_SECRET, BAD_PUBLIC_KEY for a key in `allow`, BAD_OPTIONS for a map that asks for what it cannot have, CLOSED
   */
  async share(
    what: { secret: string | Secret; maps: readonly MapToShare[] } & AccessOptions
  ): Promise<Shared> {
    this.#check()
    let rules = rulesOf(what)
    const secret = what.secret instanceof Secret ? what.secret : new Secret(what.secret)
    const keyPair = keyPairOf(secret)
    let { maps } = what
    let ticket = this.#ticketOf(keyPair, maps)
    const server = new Server({
      ...this.#outside(),
      keyPair,
      ticket,
      access: rules,
      players: this.#players,
      maps: maps.map(serverMap)
    })
    const handle = keep(this.#servers, server)
    await server.start()
    const apply = (changed: AccessRules): void => {
      rules = changed
      server.update(changed)
    }
    return {
      publicKey: server.publicKey,
      get ticket() {
        return ticket
      },
      setMaps: changed => {
        maps = changed
        ticket = this.#ticketOf(keyPair, maps)
        server.setMaps(maps.map(serverMap), ticket)
      },
      update: access => apply(rulesOf(access)),
      invite: guest => {
        if (isNamed(rules, guest.name)) {
          throw new HyperNatError('NAME_TAKEN', 'Somebody else has this name already: choose another one.')
        }
        const invite = { ...guest, nonce: randomBytes(NONCE_BYTES) }
        const guestTicket = inviteTicket(keyPair, invite, this.#reached(maps))
        apply({ ...rules, invites: [...rules.invites, invite] })
        return { invite, ticket: guestTicket }
      },
      revoke: name => {
        if (!isNamed(rules, name)) return false
        apply({
          ...rules,
          allow: rules.allow.filter(one => one.name !== name),
          invites: rules.invites.filter(one => one.name !== name)
        })
        return true
      },
      close: handle
    }
  }

  /**
   * Opens local ports that lead to a server's. Resolves when they are bound: the server may come later. Without any maps there
   * is a session all the same, to {@link Opened.ping} through.
   * @param what.publicKey as text (base58, hex, z-base-32) or 32 bytes
   * @param what.guest the key of an invite; left out: this node's own identity
   * @param what.ticket in place of the public key; without `maps` all of the ticket's are opened, each on the same local
   * port or the next free one. The DHT nodes and relays that it names are for this node's options: {@link decodeTicket}
   * tells them.
   * @throws HyperNatError BAD_PUBLIC_KEY, a code of {@link decodeTicket}, UNSUPPORTED for an invite of a newer kind, PORT_IN_USE, LISTEN_FAILED, CLOSED
   */
  async open(
    what:
      | { publicKey: string | Uint8Array; maps: readonly MapToOpen[]; guest?: GuestKey | undefined }
      | { ticket: string | Ticket; maps?: readonly MapToOpen[] | undefined }
  ): Promise<Opened> {
    this.#check()
    const { publicKey, maps, guest } = 'ticket' in what ? fromTicket(what.ticket, what.maps) : what
    const client = await this.#listen(
      keyOf(publicKey),
      guest?.keyPair ?? this.#keyPair,
      maps.map(map => ({ ...mapEntry(map), nextFree: map.nextFree ?? false }))
    )
    client.start()
    return {
      get maps() {
        return client.maps
      },
      get connection() {
        return client.connection
      },
      get connections() {
        return client.connections
      },
      get serverIsRandom() {
        return client.serverIsRandom
      },
      ping: host => client.ping(host),
      setMaps: changed => client.setMaps(changed.map(mapEntry)),
      close: keep(this.#clients, client)
    }
  }

  /** What this node looks like now: plain data. */
  status(): Status {
    return {
      at: wallClock(),
      since: this.#since,
      version: version(),
      servers: [...this.#servers].map(server => server.status()),
      clients: [...this.#clients].map(client => client.status()),
      network: this.#node.status()
    }
  }

  /** The same as Prometheus text; `serveMetrics` serves it. */
  async metrics(): Promise<MetricsPage> {
    // Its library is for those who ask.
    const { METRICS_TYPE, metricsText, processUse } = await import('./metrics/text.js')
    return { type: METRICS_TYPE, text: await metricsText(this.status(), processUse()) }
  }

  /** A client with its local ports bound, those in use exchanged for the next free ones where that will do. */
  async #listen(publicKey: Uint8Array, keyPair: KeyPair, entries: readonly (MapEntry & WantedPort)[]) {
    for (let tries = this.#limits.nextFreeTries; ; tries--) {
      const ports = await freePorts(entries, this.#limits.nextFreePorts)
      const chosen = entries.map((entry, i) => ({ ...entry, localPort: ports[i]! }))
      const client = new Client({ ...this.#outside(), publicKey, keyPair, entries: chosen })
      const forget = keep(this.#clients, client)
      try {
        await client.listen()
        this.#check()
      } catch (err) {
        await forget()
        // Taken since it was found free.
        if (codeOf(err) === 'PORT_IN_USE' && tries > 1 && entries.some(({ nextFree }) => nextFree)) continue
        throw err
      }
      for (const [i, entry] of entries.entries()) {
        if (ports[i] !== entry.localPort) this.#tellMoved(entry, ports[i]!)
      }
      return client
    }
  }

  #tellMoved(
    { proto, port, localHost, localPort, lobby }: WantedPort & { port: number; lobby?: Lobby | undefined },
    now: number
  ): void {
    // Games of this kind take their server's port for themselves, and go on to the next one when it is taken.
    const advice =
      lobby?.discovery.how === 'client-queries'
        ? ' Start hyper-nat before the game, and it stays the same.'
        : ''
    const where = now === 0 ? 'any free port' : `port ${now}`
    this.emit('event', {
      event: 'warning',
      code: 'PORT_MOVED',
      message: `Port ${localPort} (${proto}) of ${localHost} is in use by another program, or closed to this user, so port ${port} of the server is at ${where} here.${advice}`
    })
  }

  /**
   * Looks at the network from here: how many DHT nodes answer, as whom they see this machine, what its router lets in. Takes
   * 1 to 10 s.
   * @throws HyperNatError CLOSED
   */
  survey(limits: Partial<DoctorLimits> = {}): Promise<Survey> {
    this.#check()
    return this.#node.survey({ ...DOCTOR_LIMITS, ...limits })
  }

  /**
   * Asks the home router for a UDP port that leads here, finds out whether others reach it, and gives it back. Takes up to 20 s.
   * @returns how it went; `off` when the router is to be left alone, or when nobody is there to try the port
   * @throws HyperNatError CLOSED
   */
  tryPortMapping(limits: Partial<DoctorLimits> = {}): Promise<PortMappingState> {
    this.#check()
    return this.#node.tryPortMapping({ ...DOCTOR_LIMITS, ...limits })
  }

  /**
   * Connects to a server and measures the path at a steady pace, until `count` or `signal` ends it.
   * @throws HyperNatError BAD_PUBLIC_KEY, CLOSED
   */
  ping(options: PingOptions): Promise<PingSummary> {
    this.#check()
    return ping(this, options)
  }

  /**
   * Asks the network who has heard of a server.
   * @returns how many nodes have: 0 for one that is not running, some for one that is, or was a while ago
   * @throws HyperNatError BAD_PUBLIC_KEY, CLOSED
   */
  async find(publicKey: string | Uint8Array): Promise<number> {
    this.#check()
    return this.#node.find(childPublicKey(keyOf(publicKey)))
  }

  /** What friends need to reach a server of this node. */
  #ticketOf({ publicKey }: KeyPair, maps: readonly MapToShare[]): string | undefined {
    try {
      return serverTicket({ publicKey, ...this.#reached(maps) })
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const message = `There is no ticket for this server, share its public key instead. ${err.message}`
      this.emit('event', { event: 'warning', code: err.code, message })
      return undefined
    }
  }

  /** How servers of this node are reached. */
  #reached(maps: readonly MapToShare[]) {
    const { bootstrap = [], relay = [] } = this.#network
    return { maps, relays: relay, bootstrap }
  }

  /** How it stands with the port mapping on the home router; `off` while nothing is shared. */
  get portMapping(): PortMappingState {
    return this.#node.portMapping
  }

  /**
   * Drops every connection at once, as when the network has changed: clients dial again, sessions and their flows go on
   * over the new connections.
   */
  reconnect(): void {
    this.#node.drop()
  }

  /** Says goodbye, unannounces, closes every socket. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([...this.#servers, ...this.#clients].map(part => part.close()))
      await this.#node.close()
    })()
    return this.#closing
  }

  #check(): void {
    if (this.#closing) throw new HyperNatError('CLOSED', 'This node is closed.')
  }

  #outside(): Outside {
    return {
      node: this.#node,
      clock: systemClock,
      timeOfDay: wallClock,
      limits: this.#limits,
      log: this.#log,
      random: randomBytes,
      emit: event => void this.emit('event', event)
    }
  }
}

/** @returns a function that closes the part, and keeps it no longer */
function keep<T extends { close(): Promise<void> }>(parts: Set<T>, part: T): () => Promise<void> {
  parts.add(part)
  return async () => {
    parts.delete(part)
    await part.close()
  }
}

/** @throws OptionsError for what this protocol or target cannot have */
function serverMap(map: MapToShare): ServerMap {
  const { proto, port, lobby, playerAddresses, proxyProtocol, duplicate } = map
  // All addresses of this computer can be listened on; not every system can connect there.
  const host = typedHost(map.host ?? LOCALHOST)
  const faults = featureFaults({ ...map, host }, [proto], feature => `${proto} ${port}: ${feature}`)
  if (faults.length > 0) throw new OptionsError(faults)
  return {
    proto,
    port,
    host,
    lobby,
    playerAddresses: playerAddresses ?? false,
    proxyProtocol: proxyProtocol ?? false,
    duplicate: duplicate ?? false
  }
}

/** All that a ticket names, unless told which. */
function fromTicket(given: string | Ticket, maps?: readonly MapToOpen[]) {
  const ticket = typeof given === 'string' ? decodeTicket(given) : given
  const guest = ticket.invite && new GuestKey(ticket.invite)
  const all = ticket.maps.map(({ proto, port }): MapToOpen => ({ proto, port, nextFree: true }))
  return { publicKey: ticket.publicKey, maps: maps ?? all, guest }
}

function mapEntry({
  path,
  proto,
  port,
  localPort = port,
  localHost = LOCALHOST,
  lobby,
  duplicate = false
}: Omit<MapToOpen, 'nextFree'>): MapEntry {
  const place = { path: path ?? `${proto} ${port}`, proto, port, localPort, localHost }
  return { ...place, duplicate, ...(lobby && { lobby }) }
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

function keyOf(key: string | Uint8Array): Uint8Array {
  return typeof key === 'string' ? decodeKey(key) : key
}

function randomBytes(size: number): Uint8Array {
  const bytes = b4a.allocUnsafeSlow(size)
  sodium.randombytes_buf(bytes)
  return bytes
}

function freshKeyPair() {
  const publicKey = b4a.allocUnsafeSlow(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = b4a.allocUnsafeSlow(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_keypair(publicKey, secretKey)
  return { publicKey, secretKey }
}
