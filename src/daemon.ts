/**
 * Runs every entry of the options in one process, on one DHT node: options -> entries -> servers and clients. Reads its file
 * again when that has changed, and touches only what is different then.
 */
import { EventEmitter } from 'node:events'
import { type FriendPresence, friendsPresence } from './client/friends.js'
import { findDaemons } from './control/client.js'
import { foldersOf, realFile, thisMachine } from './control/place.js'
import { type Controlled, ControlServer } from './control/server.js'
import type { DaemonStatus, PageLinks, Place, Reloaded, Who } from './control/wire.js'
import { collectGarbage } from './engine.js'
import { codeOf, HyperNatError, OptionsError, oneLine } from './errors.js'
import type { DaemonEvent } from './events.js'
import { HyperNat } from './hyper-nat.js'
import { encodeKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import { CONTROL_LIMITS, FILE_LOOK_MS, UI_LIMITS } from './limits.js'
import { Journal } from './log/journal.js'
import type { Log } from './log/log.js'
import type { MetricsServer } from './metrics/server.js'
import { checkDaemon } from './options/arguments.js'
import { clientsOf, type Group, serversOf, settingsToRestart } from './options/changes.js'
import type { ClientEntry, Options } from './options/entry.js'
import { type Friend, friendsFile } from './options/friends.js'
import { GuestBook } from './options/guest-book.js'
import { nodeOptions } from './options/network-flags.js'
import { FileWatch } from './options/watch.js'
import { RunningEntries } from './running-entries.js'
import type { DatagramFlow, FlowStream } from './sockets/flow-stream.js'
import type { Ui } from './ui/ui.js'
import { systemClock, wallClock } from './util/clock.js'
import type { Trace } from './util/trace.js'
import { version } from './version.js'

/** How long the start waits for other daemons to say which options file they run from. */
const OTHERS_MS = 1000

/** `changing`: a reload begins to change what runs; `event` tells of its end by `reloaded`. */
export class Daemon extends EventEmitter<{ event: [DaemonEvent]; changing: [] }> implements Controlled {
  /** Resolves when the control socket has been asked to end the daemon; {@link close} ends it. */
  readonly stopAsked: Promise<void>
  /** Called once: see {@link stopAsked}. */
  readonly stop: () => void
  readonly #since = wallClock()
  /** As it was then: the files may be another version's by now, or cannot be read for want of descriptors. */
  readonly #version = version()
  /** As it was when it was read first: links may lead elsewhere later. */
  readonly #file: string | null
  #control: ControlServer | null = null
  #node: HyperNat | null = null
  #entries: RunningEntries | null = null
  /** One thing at a time: starting, then reloads in the order in which they were asked for. */
  #busy: Promise<unknown> = Promise.resolve()
  /** The settings that were reported to wait for the next start. */
  #toldRestart = ''
  /** Why the file could not be used, as last reported. */
  #toldFault = ''
  #current: Options
  #ui: Ui | null = null
  #watch: FileWatch | null = null
  #metrics: MetricsServer | null = null
  #book: GuestBook | null = null
  /** The key of this computer that servers know, if it has one that lasts. */
  #ownKey: Uint8Array | undefined
  #starting: Promise<void> | null = null
  #closed = false

  /**
   * @param journal where events are kept, and perhaps log lines, for those who ask later
   * @throws OptionsError BAD_OPTIONS
   */
  constructor(
    readonly options: Options,
    readonly log: Log,
    readonly journal = new Journal(CONTROL_LIMITS),
    /** Takes events for a diagnosis; left out: nothing is traced. */
    readonly trace?: Trace
  ) {
    super()
    checkDaemon(options, log)
    this.#current = options
    this.#file = options.source ? realFile(options.source.path) : null
    let stop = (): void => {}
    this.stopAsked = new Promise(resolve => {
      stop = resolve
    })
    this.stop = stop
    this.on('event', event => {
      // The page's link is for one person, and logs are shown to others. A guest that begins to connect may never succeed.
      if (event.event === 'ui' || event.event === 'connecting') return
      journal.add(JSON.stringify({ time: new Date(wallClock()).toISOString(), ...event }))
    })
  }

  /** What the options file said when it could be used last. */
  get current(): Options {
    return this.#current
  }

  /**
   * Binds every local port, then announces every secret. It starts once: a second call has the result of the first.
   * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED, naming the entry, where no page shows that as a `warning`
   * event, IDENTITY_EXPOSED or IDENTITY_UNUSABLE; everything is closed then
   */
  start(): Promise<void> {
    this.#starting ??= this.#next(() => this.#start())
    return this.#starting
  }

  /**
   * Reads the options file again, all of it, and changes what is different: only that is touched. Faults in the file change
   * nothing, those of local ports nothing but who may come in. What fails is reported by `warning` events.
   * @throws OptionsError with every fault
   * @throws HyperNatError NO_OPTIONS_FILE where the options come from flags, CLOSED, or why the file cannot be read
   */
  reload(): Promise<Reloaded> {
    return this.#next(() => this.#reload(true))
  }

  /** Which daemon this is. */
  who(): Who {
    return { pid: process.pid, version: this.#version, since: this.#since, file: this.#file }
  }

  /**
   * What it looks like now.
   * @throws HyperNatError CLOSED before it has started
   */
  status(): DaemonStatus {
    if (!this.#node) throw new HyperNatError('CLOSED', 'hyper-nat has not started yet.')
    const links = this.#ui?.links()
    return { ...this.#node.status(), ...this.who(), ...(links && { page: links.url }) }
  }

  /**
   * Links of the control page.
   * @throws HyperNatError NO_PAGE where it has none
   */
  page(): PageLinks {
    const links = this.#ui?.links(true)
    if (!links) throw new HyperNatError('NO_PAGE', 'This hyper-nat has no control page.')
    return links
  }

  /** Opens a stream or a UDP flow over a session that is up: see {@link Controlled.connect}. */
  connect({ publicKey, proto, port, as }: Place): { flow: FlowStream | DatagramFlow; port: number } {
    const running = [...(this.#entries?.clients ?? [])].find(
      ({ group, handle }) =>
        group.publicKey === publicKey &&
        handle.connection !== null &&
        (as === undefined || as === this.#guestOf(group))
    )
    const shared = running?.handle.connection?.shared
    if (!running || !shared)
      throw new HyperNatError('NO_SESSION', 'This hyper-nat has no connection to that server.')
    const fit = shared.filter(map => (map.proto === 'udp') === (proto === 'udp'))
    const map = fit.find(one => port === undefined || one.port === port)
    if (!map) throw new HyperNatError('MAP_NOT_SHARED', 'The server does not share this port.')
    if (port === undefined && fit.some(one => one.port !== map.port))
      throw new HyperNatError('BAD_OPTIONS', 'The server shares several ports: name one.')
    const { handle } = running
    return {
      port: map.port,
      flow: map.proto === 'udp' ? handle.datagrams(map.port) : handle.stream(map.proto, map.port)
    }
  }

  /** The key by which a server knows this computer, where it lasts. */
  #guestOf({ entries }: Group<ClientEntry>): string | undefined {
    const key = entries[0]?.guest?.publicKey ?? this.#ownKey
    return key && encodeKey(key)
  }

  /**
   * Which friends can be reached now.
   * @throws HyperNatError CLOSED
   */
  async presence(friends: readonly Friend[]): Promise<FriendPresence[]> {
    if (!this.#node) throw new HyperNatError('CLOSED', 'hyper-nat has not started yet.')
    return friendsPresence(friends, this.#node)
  }

  #next<T>(job: () => Promise<T>): Promise<T> {
    const next = this.#busy.then(job)
    this.#busy = next.catch(() => {})
    return next
  }

  async #start(): Promise<void> {
    const { network, limits, source } = this.options
    if (source) await tidy(source.path)
    const identity = await this.#identity()
    this.#ownKey = identity?.publicKey
    if (this.#closed) return
    const node = new HyperNat({
      ...nodeOptions(network),
      identity,
      limits,
      log: this.log,
      trace: this.trace,
      onMemoryReleased: collectGarbage
    })
    this.#node = node
    const book = new GuestBook(source?.path, this.log)
    this.#book = book
    node.on('event', event => {
      book.note(event)
      this.emit('event', event)
    })
    const entries = new RunningEntries({
      node,
      former: publicKey => book.seenAt(publicKey),
      identityFor: publicKey => this.#keptIdentity(publicKey),
      emit: event => this.emit('event', event),
      isClosed: () => this.#closed
    })
    this.#entries = entries
    await this.#listen()
    try {
      await this.#startUi()
      const clients = clientsOf(this.options)
      // The page shows what has no port, and people can leave it there.
      await (this.#ui ? entries.openFreeClients(clients) : entries.openClients(clients))
      // Before the servers are announced, which takes long without a network: that should show.
      await this.#serveMetrics(node)
      await entries.announceServers(serversOf(this.options))
    } catch (err) {
      await this.close()
      throw err
    }
    if (!source || this.#closed) return
    // An entry may name a friend.
    const paths = [source.path, friendsFile()]
    this.#watch = new FileWatch(paths, systemClock, FILE_LOOK_MS, () => this.#onFileChange(source.path))
  }

  /** Whoever wants to measure the node can do without; who plays over it cannot. */
  async #serveMetrics(node: HyperNat): Promise<void> {
    const { metrics } = this.options
    if (!metrics || this.#closed) return
    try {
      const { serveMetrics } = await import('./metrics/server.js')
      this.#metrics = await serveMetrics(metrics, () => node.metrics())
      this.emit('event', { event: 'metrics', url: this.#metrics.url })
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      this.emit('event', {
        event: 'warning',
        code: err.code,
        message: `There are no metrics. ${err.message}`
      })
    }
    if (this.#closed) await this.#metrics?.close()
  }

  /** Opens the control socket: without it everything else goes on. */
  async #listen(): Promise<void> {
    const { control } = this.options
    if (control === false) return
    const machine = thisMachine()
    const server = new ControlServer(this, CONTROL_LIMITS)
    try {
      await server.open(foldersOf(control, machine)[0]!, machine, process.pid)
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      this.emit('event', { event: 'warning', code: err.code, message: err.message })
      return
    }
    if (this.#closed) return server.close()
    this.#control = server
    await this.#warnOfOthers(control)
  }

  /** Once this one can be found itself: of two that start at once, at least one sees the other. */
  async #warnOfOthers(control: string | undefined): Promise<void> {
    if (this.#file === null) return
    const limits = { ...CONTROL_LIMITS, whoMs: OTHERS_MS }
    const found = await findDaemons({ control, file: this.#file }, undefined, limits).catch(() => [])
    for (const one of found) one.control.close()
    const pids = found.map(({ who }) => who.pid).filter(pid => pid !== process.pid)
    if (pids.length === 0) return
    const stops = pids.map(pid => `hyper-nat stop --pid ${pid}`).join(' and ')
    const which = `${pids.length > 1 ? 'processes' : 'process'} ${pids.join(', ')}`
    this.emit('event', {
      event: 'warning',
      code: 'FILE_IN_USE',
      message: `${this.options.source!.path} is in use by hyper-nat already (${which}). Guests may reach either one, and limits such as maxDevices apply to each separately. Run ${stops}, or start this one with another file.`
    })
  }

  async #startUi(): Promise<void> {
    const { ui, source } = this.options
    if (!ui || !source) return
    const { Ui } = await import('./ui/ui.js')
    const parts = { daemon: this, file: source.path, port: ui.port, limits: UI_LIMITS }
    this.#ui = new Ui({ ...parts, clock: systemClock, log: this.log })
    const links = await this.#ui.start()
    if (this.#closed) return this.#ui.close()
    this.emit('event', { event: 'ui', ...links })
  }

  // --- reloading ---

  async #onFileChange(path: string): Promise<void> {
    try {
      await this.#next(() => this.#reload(false))
    } catch (err) {
      if (this.#closed) return
      const message = `${path} has changed, but cannot be used as it is now: ${oneLine(err)}`
      if (message !== this.#toldFault) this.emit('event', { event: 'warning', code: codeOf(err), message })
      this.#toldFault = message
      // Faults stay until the file changes again; what could not be read, for want of descriptors perhaps, can be read later.
      if (!(err instanceof OptionsError)) throw err
    }
  }

  /** @param asked whether to tell, too, that nothing is different */
  async #reload(asked: boolean): Promise<Reloaded> {
    const { source } = this.options
    const entries = this.#entries
    if (!source) {
      throw new HyperNatError(
        'NO_OPTIONS_FILE',
        'This hyper-nat runs from its command line, not from a file: stop it, and start it again.'
      )
    }
    if (this.#closed || !entries) throw new HyperNatError('CLOSED', 'hyper-nat is being stopped.')
    const next = await source.read()
    const servers = serversOf(next)
    const clients = clientsOf(next)
    // Whoever is shut out must not stay for the sake of a local port.
    const accessChanged = entries.updateAccess(servers)
    await entries.tryPorts(clients, clientsOf(this.#current))
    this.#current = next
    this.emit('changing')
    const { added, removed } = await entries.change(servers, clients)
    const restart = settingsToRestart(this.options, next)
    const reloaded: Reloaded = { added, removed, restart }
    const news =
      accessChanged || added.length > 0 || removed.length > 0 || restart.join() !== this.#toldRestart
    this.#toldRestart = restart.join()
    // People were told that the file cannot be used; now they are told that it can.
    const isMended = this.#toldFault !== ''
    this.#toldFault = ''
    if (asked || news || isMended) this.emit('event', { event: 'reloaded', ...reloaded })
    return reloaded
  }

  /** With the page, servers know this computer again by a key for each of them, as with `hyper-nat join`. */
  async #keptIdentity(publicKey: Uint8Array): Promise<KeyPair | undefined> {
    const { identity, ui } = this.options
    if (!ui || identity !== undefined) return undefined
    const { identityFileFor, loadIdentity } = await import('./options/identity-file.js')
    try {
      return await loadIdentity(identityFileFor(publicKey))
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const message = `${err.message}. Until this is fixed, the server sees a new guest each time.`
      this.emit('event', {
        event: 'warning',
        code: 'IDENTITY_NOT_KEPT',
        message,
        publicKey: encodeKey(publicKey)
      })
      return undefined
    }
  }

  async #identity(): Promise<KeyPair | undefined> {
    if (this.options.identity === undefined) return undefined
    const { loadIdentity } = await import('./options/identity-file.js')
    return loadIdentity(this.options.identity)
  }

  /** Closes all sessions, unannounces the servers and closes every socket. */
  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.close()
    await this.#ui?.close()
    this.#control?.close()
    await this.#metrics?.close()
    await this.#node?.close()
    await this.#book?.close()
    // Who asked it to stop learns by this that it has.
    this.#control?.hangUp()
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Removes what a process that was killed has left beside the options file; without it, everything else goes on. */
async function tidy(path: string): Promise<void> {
  const { removeLeftovers } = await import('./options/lock.js')
  await removeLeftovers(path).catch(() => {})
}
