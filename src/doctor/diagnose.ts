/**
 * The doctor: what stands between this computer and playing with friends.
 *
 *     survey the network -> judge NAT and router -> look for the server -> connect as a guest would -> measure
 */

import type { ClientHandle } from '../client/handle.js'
import { HyperNatError } from '../errors.js'
import type { ConnectionInfo, DaemonEvent, PathKind } from '../events.js'
import { titleOf } from '../games/games.js'
import { HyperNat, type HyperNatOptions } from '../hyper-nat.js'
import { encodeKey, keyOf } from '../identity/encoding.js'
import type { GuestKey } from '../identity/guest.js'
import { DOCTOR_LIMITS, type DoctorLimits } from '../limits.js'
import { type Beyond, beyondRouter } from '../network/hops.js'
import type { NatFinding, NatKind } from '../network/nat.js'
import { isRelayed } from '../network/path.js'
import type { PortMappingState } from '../network/port-mapping.js'
import type { Survey } from '../network/survey-finding.js'
import { checkDiagnose } from '../options/arguments.js'
import { systemClock, wallClock } from '../util/clock.js'
import { jitterOf, lossOf, medianOf } from '../util/samples.js'
import { version } from '../version.js'
import {
  addressCheck,
  beyondCheck,
  clockCheck,
  natCheck,
  natName,
  networkCheck,
  portMappingCheck,
  type SharedTarget,
  targetCheck,
  versionCheck
} from './local-checks.js'
import type {
  Check,
  ClockFinding,
  Diagnosis,
  HostFinding,
  PortMappingFinding,
  ServerFinding
} from './report.js'
import { serverChecks, sideInTheWay } from './server-checks.js'

export interface DiagnoseOptions extends Omit<HyperNatOptions, 'limits'> {
  /** A server to look for and to connect to, as text (base58, hex, z-base-32) or 32 bytes. */
  publicKey?: string | Uint8Array | undefined
  /** The key of an invite to come with; left out: the identity. */
  guest?: GuestKey | undefined
  /** Port maps that daemons on this computer share, with what they know of the programs behind them. */
  shared?: readonly SharedTarget[] | undefined
  /** Those of the doctor's numbers to change. */
  limits?: Partial<DoctorLimits>
  /** Called with each check as soon as it is done. */
  oncheck?: (check: Check) => void
  /** Ends it early. */
  signal?: AbortSignal
}

/** No clock is right that shows a time before this program was written. */
const EARLIEST = Date.UTC(2025, 0, 1)

/** Failures that may not happen again: ports that are tried at random are not always found, and packets get lost. */
const PASSING: ReadonlySet<string> = new Set([
  'SERVER_UNREACHABLE',
  'RELAY_UNREACHABLE',
  'CONNECTION_LOST',
  'HANDSHAKE_TIMEOUT'
])

/**
 * Examines the network from here and, with a public key, the way to that server. Takes some seconds, up to a minute when a
 * connection is hard to get. It makes a DHT node of its own: it shows what a daemon that is started now would meet. The server
 * sees a guest that connects and leaves.
 * @throws HyperNatError BAD_OPTIONS, BAD_PUBLIC_KEY; CLOSED when `signal` ended it
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  checkDiagnose(options)
  const { publicKey, guest, shared = [], limits, oncheck, signal, ...rest } = options
  const key = publicKey === undefined ? undefined : keyOf(publicKey)
  const node = new HyperNat(rest)
  try {
    const examination = examine(node, {
      key,
      guest,
      shared,
      limits: { ...DOCTOR_LIMITS, ...limits },
      oncheck: oncheck ?? (() => {})
    })
    return await unless(signal, examination)
  } finally {
    await node.close()
  }
}

interface Order {
  readonly key: Uint8Array | undefined
  readonly guest: GuestKey | undefined
  readonly shared: readonly SharedTarget[]
  readonly limits: DoctorLimits
  readonly oncheck: (check: Check) => void
}

async function examine(node: HyperNat, { key, guest, shared, limits, oncheck }: Order): Promise<Diagnosis> {
  const checks: Check[] = []
  const tell = (...found: (Check | null)[]): void => {
    for (const check of found) {
      if (!check) continue
      checks.push(check)
      oncheck(check)
    }
  }
  const clock = startClock()
  const versions = {
    hyperNat: version(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`
  }
  tell(versionCheck(versions))

  const [survey, tried] = await Promise.all([node.survey(limits), node.tryPortMapping(limits)])
  const { nat } = survey
  const portMapping = mappingFinding(tried, nat)
  const beyond = beyondMapping(portMapping, survey.beyond)
  const clockFound = clock()
  tell(
    networkCheck(survey),
    addressCheck(nat),
    natCheck(nat, beyond, portMapping?.state === 'mapped'),
    beyondCheck(beyond),
    portMapping && portMappingCheck(portMapping, nat, beyond),
    clockCheck(clockFound, limits.clockJumpMs),
    targetCheck(shared, titleOf)
  )

  const server = key ? await examineServer(node, key, guest, survey, limits) : null
  if (server) tell(...serverChecks(server, { kind: nat.kind, beyond }, limits))
  const { asked, answered, rtt, contact, tcp } = survey
  return {
    ok: checks.every(({ verdict }) => verdict !== 'problem'),
    version: versions,
    clock: clockFound,
    network: { asked, answered, rtt, contact, tcp },
    nat: { ...nat, name: natName(nat), beyond },
    portMapping,
    server,
    checks
  }
}

/** Null where nothing can be said: then it was not tried, or nobody is outside who could tell of a router. */
function mappingFinding(tried: PortMappingState, { translated }: NatFinding): PortMappingFinding | null {
  if (tried.state === 'off' || tried.state === 'searching') return null
  return tried.state === 'unneeded' && translated === null ? null : tried
}

/** What lies beyond the router, by the address that it reports as its own. */
function beyondMapping(mapping: PortMappingFinding | null, surveyed: Beyond | null): Beyond | null {
  if (mapping?.state === 'mapped') return 'public'
  if (mapping?.state !== 'useless' || mapping.routerAddress === null) return surveyed
  const { routerAddress, seenAddress } = mapping
  const told = beyondRouter(routerAddress)
  // A router that others do not see is not the last one, whatever its address looks like.
  if (told !== 'public' || seenAddress === null || seenAddress === routerAddress) return told
  return surveyed === 'carrier' ? 'carrier' : 'private'
}

/** Compares the wall clock with itself. */
function startClock(): () => ClockFinding {
  const wall = wallClock()
  const steady = performance.now()
  return () => {
    const now = wallClock()
    return { now, plausible: now >= EARLIEST, jumped: now - wall - (performance.now() - steady) }
  }
}

async function examineServer(
  node: HyperNat,
  key: Uint8Array,
  guest: GuestKey | undefined,
  survey: Survey,
  limits: DoctorLimits
): Promise<ServerFinding> {
  const publicKey = encodeKey(key)
  if (survey.answered === 0 && !survey.tcp?.server) {
    const err = { code: 'DHT_UNREACHABLE', reason: 'No node of the network answers.' }
    return unconnected(publicKey, 0, err, survey.nat.kind, null)
  }
  const word = firstWord(node, publicKey, limits)
  const direct = nextDirect(node, publicKey)
  const [knownBy, opened] = await Promise.all([
    node.find(key).catch(() => 0),
    node.open({ publicKey: key, maps: [], guest })
  ])
  try {
    const first = await word
    if (typeof first !== 'string') {
      return unconnected(publicKey, knownBy, first, survey.nat.kind, opened.serverIsRandom)
    }
    // It may be relayed for a moment only.
    if (first === 'relayed') await direct(limits.directMs)
    const hosts = await measure(opened, limits)
    const used = hosts.find(host => host.used)
    const path = used?.path ?? first
    return {
      publicKey,
      knownBy,
      connected: true,
      code: null,
      reason: null,
      path,
      direct: !isRelayed(path),
      serverIsRandom: opened.serverIsRandom,
      rtt: used?.rtt ?? null,
      jitter: used?.jitter ?? null,
      loss: used?.loss ?? 1,
      shared: used?.shared ?? [],
      hosts,
      inTheWay: null
    }
  } finally {
    await opened.close()
  }
}

/** Why there is no connection. */
interface Failure {
  readonly code: string
  readonly reason: string
}

function unconnected(
  publicKey: string,
  knownBy: number,
  { code, reason }: Failure,
  here: NatKind,
  serverIsRandom: boolean | null
): ServerFinding {
  const tried = PASSING.has(code) || code === 'NATS_RANDOM'
  return {
    publicKey,
    knownBy,
    connected: false,
    code,
    reason,
    path: null,
    direct: tried ? false : null,
    // hyperdht gives up for this reason when both said so.
    serverIsRandom: code === 'NATS_RANDOM' ? true : serverIsRandom,
    rtt: null,
    jitter: null,
    loss: null,
    shared: [],
    hosts: [],
    inTheWay: sideInTheWay(code, here, serverIsRandom)
  }
}

/** Waits for the first path, or for why there is none; a failure that may pass has a second chance. */
function firstWord(node: HyperNat, publicKey: string, limits: DoctorLimits): Promise<Failure | PathKind> {
  return new Promise(resolve => {
    let last: Failure = { code: 'SERVER_UNREACHABLE', reason: 'The server did not answer in time.' }
    const done = (result: Failure | PathKind): void => {
      timer.cancel()
      node.off('event', onevent)
      resolve(result)
    }
    let timer = systemClock.after(limits.connectMs, () => done(last))
    const onevent = (event: DaemonEvent): void => {
      if (!('publicKey' in event) || event.publicKey !== publicKey) return
      if (event.event === 'connected') return done(event.path)
      if (event.event !== 'waiting') return
      last = { code: event.code, reason: event.message }
      if (!PASSING.has(event.code)) return done(last)
      timer.cancel()
      timer = systemClock.after(limits.secondChanceMs, () => done(last))
    }
    node.on('event', onevent)
  })
}

/** Begins to watch for a path that leads through no relay; the function that it gives waits for that no longer than `ms`. */
function nextDirect(node: HyperNat, publicKey: string): (ms: number) => Promise<void> {
  let found = (): void => {}
  const direct = new Promise<void>(resolve => {
    found = resolve
  })
  node.on('event', event => {
    if (event.event === 'connected' && event.publicKey === publicKey && !isRelayed(event.path)) found()
  })
  return ms => {
    const timer = systemClock.after(ms, found)
    return direct.then(() => timer.cancel())
  }
}

/** Pings all hosts at a steady pace, as a game sends; those, too, that are found meanwhile. */
async function measure(opened: ClientHandle, { pings, pingEveryMs }: DoctorLimits): Promise<HostFinding[]> {
  const hosts = new Map<string, { last: ConnectionInfo; trips: Promise<number | null>[] }>()
  let used = ''
  for (let i = 0; i < pings; i++) {
    for (const last of opened.connections) {
      const known = hosts.get(last.host)
      if (known) known.last = last
      else hosts.set(last.host, { last, trips: [] })
    }
    used = opened.connection?.host ?? used
    for (const [name, { trips }] of hosts) trips.push(opened.ping(name))
    await new Promise<void>(resolve => systemClock.after(pingEveryMs, resolve))
  }
  return Promise.all(
    [...hosts.values()].map(async ({ last, trips }) => {
      const { host, path, shared } = last
      const all = await Promise.all(trips)
      const figures = { rtt: medianOf(all), jitter: jitterOf(all), loss: lossOf(all) }
      return { host, used: host === used, path, ...figures, shared }
    })
  )
}

async function unless<T>(signal: AbortSignal | undefined, what: Promise<T>): Promise<T> {
  if (!signal) return what
  // What is under way fails when its node is closed.
  what.catch(() => {})
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new HyperNatError('CLOSED', 'It was ended early.'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([what, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
