/**
 * The library: one DHT node that shares port maps under secrets and opens port maps to public keys. The daemon and the CLI
 * are made of this.
 */
import { EventEmitter } from 'node:events'
import os from 'node:os'
import b4a from 'b4a'
import sodium from 'sodium-native'
import { Players } from './access/players.js'
import type { ClientHandle, Connection, ConnectOptions, MapToOpen } from './client/handle.js'
import { OpenClient } from './client/open-client.js'
import { OpenConnection } from './client/open-connection.js'
import { type PingOptions, type PingSummary, ping } from './client/ping.js'
import { HyperNatError, OptionsError, oneLine } from './errors.js'
import type { DaemonEvent } from './events.js'
import { portSetOf } from './games/port-set.js'
import { childPublicKey } from './identity/child.js'
import { keyOf } from './identity/encoding.js'
import { GuestKey } from './identity/guest.js'
import type { KeyPair } from './identity/keys.js'
import { decodeTicket, type Ticket } from './identity/ticket.js'
import { looksLikeTicket } from './identity/ticket-prefix.js'
import { DOCTOR_LIMITS, type DoctorLimits, LIMITS, type Limits } from './limits.js'
import { type Log, silentLog } from './log/log.js'
import type { MetricsPage } from './metrics/server.js'
import type { Deps } from './network/deps.js'
import { Node } from './network/node.js'
import type { PortMappingState } from './network/port-mapping.js'
import type { Survey } from './network/survey-finding.js'
import { checkTcp } from './network/tcp-relay/relay-address.js'
import { checkConnect, checkNode, checkOpen, checkPing } from './options/arguments.js'
import type { NetworkOptions, RelayName, TcpOptions } from './options/entry.js'
import { relaysToTell } from './options/network-flags.js'
import type { ServerHandle, WhatToShare } from './server/handle.js'
import { SharedServer } from './server/shared-server.js'
import { Resources } from './sockets/resources.js'
import type { Status } from './status.js'
import { isRelayUrl, relayUrlFault } from './text/hosts.js'
import { allowListeners } from './util/abort-listeners.js'
import { Activity } from './util/activity.js'
import { callOut } from './util/call-out.js'
import { systemClock, wallClock } from './util/clock.js'
import { descriptorLimit, descriptorsForPunching, openDescriptors } from './util/descriptors.js'
import type { Trace } from './util/trace.js'
import { version } from './version.js'

export interface HyperNatOptions {
  /** `host:port` of the DHT's bootstrap nodes; left out: the public DHT's. */
  bootstrap?: readonly string[] | undefined
  /**
   * Relays, the preferred first: public keys, as text or 32 bytes, for when there is no direct path (one side that names them is
   * enough), and addresses `wss://host/path` for when UDP is blocked.
   */
  relays?: readonly (string | Uint8Array)[] | undefined
  /**
   * The key pair by which servers know this machine's clients (`loadIdentity` keeps one in a file); left out: a fresh one,
   * by which servers recognize nobody.
   */
  identity?: KeyPair | undefined
  /**
   * Whether servers ask the home router for a UDP port that leads to them (UPnP, NAT-PMP, PCP), so that clients reach them
   * directly; true unless set.
   */
  portMapping?: boolean | undefined
  /** Whether clients search the LAN for servers while there is no DHT, and servers here answer; true if left out. */
  lan?: boolean | undefined
  /** Whether sessions may go on over IPv6, for which both sides tell each other their IPv6 addresses; true if left out. */
  ipv6?: boolean | undefined
  /** Where servers here are reached by TCP, by guests whose network blocks UDP; left out: nowhere. */
  tcp?: TcpOptions | undefined
  /** Those of our numbers to change. */
  limits?: Partial<Limits>
  /** Where diagnostics go: a logger of pino, or `console`; left out: nowhere. */
  log?: Log
  /**
   * Takes events of sessions, paths and flows, named as in qlog; left out: nothing is traced. One that throws is not called any more,
   * and a `warning` event of code `TRACE_FAILED` says why.
   */
  trace?: Trace | undefined
  /** Called a moment after much memory that a peer used has been released, when a program may collect garbage. */
  onMemoryReleased?: (() => void) | undefined
}

/** Sockets of flows for which there has to be room. */
const LEAST_SOCKETS = 8

export class HyperNat extends EventEmitter<{ event: [DaemonEvent] }> {
  readonly #limits: Limits
  readonly #log: Log
  readonly #network: NetworkOptions
  readonly #node: Node
  readonly #keyPair: KeyPair
  readonly #players: Players
  readonly #resources: Resources
  readonly #games = new Activity()
  readonly #trace: Trace | undefined
  readonly #servers = new Set<SharedServer>()
  /** Those that are being closed, by public key. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #clients = new Set<OpenClient | OpenConnection>()
  readonly #since = wallClock()
  #closing: Promise<void> | null = null
  readonly #closingSignal = new AbortController()

  /**
   * @throws HyperNatError BAD_PUBLIC_KEY for a relay's key, BAD_OPTIONS for other options that cannot be used, TOO_FEW_DESCRIPTORS where the system
   * lets this process open next to no files
   */
  constructor(options: HyperNatOptions = {}) {
    super()
    checkNode(options)
    // Each ping listens, and there may be any number of them.
    this.setMaxListeners(0)
    if (options.tcp) checkTcp(options.tcp)
    this.#limits = { ...LIMITS, ...options.limits }
    this.#log = options.log ?? silentLog
    this.#trace = options.trace && this.#traceWith(options.trace)
    this.#players = new Players(this.#limits.players)
    this.#resources = newResources(this.#limits, this.#log, options.onMemoryReleased)
    this.#keyPair = options.identity ?? freshKeyPair()
    const { bootstrap, relays, portMapping = true, lan = true, ipv6 = true, tcp } = options
    this.#network = {
      ...(bootstrap && { bootstrap }),
      ...(relays && { relay: relays.map(relayName) }),
      ...(tcp && { tcp }),
      portMapping,
      lan,
      ipv6
    }
    this.#node = new Node(this.#network, this.#limits, this.#log)
  }

  /**
   * Shares port maps under a secret. Resolves when the server is announced. When no DHT node answers, it resolves all the same, a
   * `warning` event of code `DHT_UNREACHABLE` says so, and the server goes on trying to announce itself until it can.
   * @throws HyperNatError BAD_SECRET, BAD_PUBLIC_KEY for a key in `allow`, BAD_OPTIONS for wrong or missing arguments, with every
   * fault, for a map that asks for what it cannot have, or for too many of them, CLOSED; PORT_IN_USE, LISTEN_FAILED,
   * ADDRESS_NOT_HERE, CERTIFICATE_UNUSABLE for the TCP port; the signal's reason
   */
  async share(what: WhatToShare): Promise<ServerHandle> {
    this.#check()
    const { bootstrap = [] } = this.#network
    const relays = relaysToTell(this.#network)
    const server = new SharedServer(what, {
      ...this.#deps(),
      players: this.#players,
      resources: this.#resources,
      reached: { bootstrap, relays },
      isShared: port => [...this.#servers].some(one => one.shares(port)),
      onclose: closed => this.#onClosing(server, closed)
    })
    if ([...this.#servers].some(({ publicKey }) => publicKey === server.publicKey)) {
      const message = 'is shared by this node already; change its ports with setMaps, or close it first'
      throw new OptionsError([{ path: 'secret', message }])
    }
    this.#servers.add(server)
    try {
      await unlessAborted(what.signal, async () => {
        await this.#leaving.get(server.publicKey)
        await this.#node.listenTcp()
        this.#check()
        await server.start()
      })
    } catch (err) {
      await server.close()
      this.#check()
      throw err
    }
    return server
  }

  /** Its keys are in use until it is closed. */
  #onClosing(server: SharedServer, closed: Promise<void>): void {
    this.#servers.delete(server)
    const { publicKey } = server
    const gone = closed.finally(() => {
      if (this.#leaving.get(publicKey) === gone) this.#leaving.delete(publicKey)
    })
    this.#leaving.set(publicKey, gone)
  }

  /**
   * Opens local ports that lead to a server's. Resolves when they are bound: the server may come later. Without any maps there
   * is a session all the same, to {@link ClientHandle.ping} through.
   * @param what.publicKey as text (base58, hex, z-base-32) or 32 bytes
   * @param what.guest the key of an invite; left out: `identity`
   * @param what.identity the key to come with; left out: this node's own identity
   * @param what.ticket in place of the public key; without `maps` all of the ticket's are opened, each on the same local
   * port or the next free one. The DHT nodes and relays that it names are for this node's options: {@link decodeTicket}
   * tells them.
   * @param what.signal gives up while the ports are not open yet, and closes what was opened, with its reason
   * @throws HyperNatError BAD_OPTIONS for wrong or missing arguments, BAD_PUBLIC_KEY, a code of {@link decodeTicket}, UNSUPPORTED for an invite of a newer kind, PORT_IN_USE, SOCKET_IN_USE,
   * ADDRESS_NOT_HERE, LISTEN_FAILED, CLOSED; the signal's reason
   */
  async open(
    what: { signal?: AbortSignal | undefined } & (
      | {
          ticket?: undefined
          publicKey: string | Uint8Array
          maps: readonly MapToOpen[]
          guest?: GuestKey | undefined
          identity?: KeyPair | undefined
        }
      | { ticket: string | Ticket; maps?: readonly MapToOpen[] | undefined }
    )
  ): Promise<ClientHandle> {
    this.#check()
    checkOpen(what)
    const { publicKey, maps, guest } = what.ticket === undefined ? what : fromTicket(what.ticket, what.maps)
    const own = ('identity' in what ? what.identity : undefined) ?? this.#keyPair
    const client = new OpenClient({
      ...this.#deps(),
      publicKey: keyOf(publicKey),
      keyPair: guest?.keyPair ?? own,
      resources: this.#resources,
      onclose: () => this.#clients.delete(client)
    })
    this.#clients.add(client)
    try {
      await unlessAborted(what.signal, () => client.open(maps))
    } catch (err) {
      await client.close()
      throw err
    }
    return client
  }

  /**
   * Connects to a server without local ports: {@link Connection.stream} and {@link Connection.datagrams} lead to its ports.
   * Resolves when there is a session.
   * @param server its public key, as text or 32 bytes, or its ticket; the DHT nodes and relays that a ticket names are for this
   * node's options: {@link decodeTicket} tells them
   * @throws HyperNatError BAD_OPTIONS, BAD_PUBLIC_KEY, a code of {@link decodeTicket}, UNSUPPORTED for an invite of a newer kind, CLOSED; why the server
   * cannot be reached, unless `wait` is set; the signal's reason
   */
  async connect(server: string | Uint8Array | Ticket, options: ConnectOptions = {}): Promise<Connection> {
    this.#check()
    checkConnect(server, options)
    const ticket = ticketOf(server)
    const publicKey = keyOf(ticket ? ticket.publicKey : (server as string | Uint8Array))
    const guest = ticket?.invite && new GuestKey(ticket.invite)
    const connection = new OpenConnection(
      {
        ...this.#deps(),
        publicKey,
        keyPair: guest?.keyPair ?? this.#keyPair,
        resources: this.#resources,
        onclose: () => this.#clients.delete(connection)
      },
      ticket?.maps ?? []
    )
    this.#clients.add(connection)
    await connection.open(options)
    return connection
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
    const [{ metricsText, processUse }, { CONTENT_TYPE }] = await Promise.all([
      import('./metrics/text.js'),
      import('./metrics/exposition.js')
    ])
    return { type: CONTENT_TYPE, text: metricsText(this.status(), processUse()) }
  }

  /**
   * Looks at the network from here: how many DHT nodes answer, as whom they see this machine, what its router lets in. Takes
   * 1 to 10 s.
   * @throws HyperNatError CLOSED
   */
  async survey(limits: Partial<DoctorLimits> = {}): Promise<Survey> {
    this.#check()
    return this.#whileOpen(this.#node.survey({ ...DOCTOR_LIMITS, ...limits }))
  }

  /**
   * Asks the home router for a UDP port that leads here, finds out whether others reach it, and gives it back. Takes up to 20 s.
   * @returns how it went; `off` when the router is to be left alone, or when nobody is there to try the port
   * @throws HyperNatError CLOSED
   */
  async tryPortMapping(limits: Partial<DoctorLimits> = {}): Promise<PortMappingState> {
    this.#check()
    return this.#whileOpen(this.#node.tryPortMapping({ ...DOCTOR_LIMITS, ...limits }))
  }

  /**
   * Connects to a server and measures the path at a steady pace, until `count`, `signal` or {@link close} ends it.
   * @throws HyperNatError BAD_OPTIONS, BAD_PUBLIC_KEY, CLOSED
   */
  async ping(options: PingOptions): Promise<PingSummary> {
    this.#check()
    checkPing(options)
    const { signal } = options
    // One of its own: many pings may listen to that of the node at once.
    const signals = [this.#closingSignal.signal, ...(signal ? [signal] : [])]
    return ping(this, { ...options, signal: AbortSignal.any(signals) })
  }

  /**
   * Asks the DHT for a server.
   * @returns how many nodes have: 0 for one that is not running, some for one that is, or was a while ago
   * @throws HyperNatError BAD_PUBLIC_KEY, CLOSED
   */
  async find(publicKey: string | Uint8Array): Promise<number> {
    this.#check()
    return this.#whileOpen(this.#node.find(childPublicKey(keyOf(publicKey))))
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

  /** Closes all sessions, unannounces the servers and closes every socket. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#closingSignal.abort()
      await Promise.all([...this.#servers, ...this.#clients].map(part => part.close()))
      await this.#node.close()
    })()
    return this.#closing
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#closing) throw new HyperNatError('CLOSED', 'This node is closed.')
  }

  /** Waits for a result, and rejects if the node was closed in the meantime: the result would say nothing about the network. */
  async #whileOpen<T>(finding: Promise<T>): Promise<T> {
    const found = await finding
    this.#check()
    return found
  }

  /** What is traced must not end by its trace. */
  #traceWith(trace: Trace): Trace {
    let failed = false
    return (...event) => {
      if (failed) return
      try {
        trace(...event)
      } catch (err) {
        failed = true
        const message = `Nothing is traced any more: the function for it has failed (${oneLine(err)}).`
        callOut(() => this.emit('event', { event: 'warning', code: 'TRACE_FAILED', message }))
      }
    }
  }

  #deps(): Deps {
    return {
      node: this.#node,
      clock: systemClock,
      timeOfDay: wallClock,
      limits: this.#limits,
      games: this.#games,
      trace: this.#trace,
      log: this.#log,
      random: randomBytes,
      emit: event => callOut(() => this.emit('event', event))
    }
  }
}

/**
 * The result of the work.
 * @throws the signal's reason, when it is aborted before there is one: the caller ends the work
 */
async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work()
  if (signal.aborted) throw signal.reason
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    allowListeners(signal)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([work(), aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Undefined for a key. */
function ticketOf(server: string | Uint8Array | Ticket): Ticket | undefined {
  if (typeof server === 'string') return looksLikeTicket(server) ? decodeTicket(server) : undefined
  return 'maps' in server && Array.isArray(server.maps) ? server : undefined
}

/** The given maps, or else all that a ticket names. */
function fromTicket(given: string | Ticket, maps?: readonly MapToOpen[]) {
  const ticket = typeof given === 'string' ? decodeTicket(given) : given
  const guest = ticket.invite && new GuestKey(ticket.invite)
  const all = ticket.maps.map(
    ({ proto, port, name, guestPorts }): MapToOpen => ({
      proto,
      port,
      nextFree: true,
      set: portSetOf(name, guestPorts, undefined)
    })
  )
  return { publicKey: ticket.publicKey, maps: maps ?? all, guest }
}

/** @throws HyperNatError BAD_PUBLIC_KEY, BAD_OPTIONS */
function relayName(given: string | Uint8Array): RelayName {
  if (typeof given !== 'string' || !isRelayUrl(given)) return keyOf(given)
  const fault = relayUrlFault(given)
  if (fault) throw new HyperNatError('BAD_OPTIONS', `The address of a relay ${fault}.`)
  return given
}

/** Memory and descriptors of this process that peers may use. */
function newResources(limits: Limits, log: Log, onreleased?: () => void): Resources {
  // Where nothing constrains the process, Node.js says 0 or more than any machine has.
  const memory = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, os.totalmem())
  const processBytes = Math.min(limits.processBytes, memory / 4)
  const most = descriptorLimit()
  const free = most - openDescriptors() - limits.reservedDescriptors
  if (free < LEAST_SOCKETS)
    throw new HyperNatError(
      'TOO_FEW_DESCRIPTORS',
      `This computer lets hyper-nat open ${most} files at once, which is too few: raise the limit ("ulimit -n 1024", LimitNOFILE of a service).`
    )
  const sockets = Math.max(LEAST_SOCKETS, free - descriptorsForPunching(most, limits.punchSockets))
  return new Resources({
    clock: systemClock,
    limits: { ...limits, processBytes },
    log,
    sockets,
    ...(onreleased && { onreleased })
  })
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
