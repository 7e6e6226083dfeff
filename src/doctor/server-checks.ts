/** Findings about one server, in words for people. Pure. */
import type { PathKind, SharedMapInfo } from '../events.js'
import type { DoctorLimits } from '../limits.js'
import type { Beyond } from '../network/hops.js'
import type { NatKind } from '../network/nat.js'
import { loosen, note, ok, problem, RELAY } from './local-checks.js'
import type { Check, ServerFinding, Side } from './report.js'

/** Failures of the server itself, whatever the path, and what to do about each. */
const AT_THE_SERVER: Readonly<Record<string, string>> = {
  SERVER_NOT_FOUND:
    'Start hyper-nat there, 2.0 or newer (hyper-nat --version), and compare the public key with the one that it shows. If both are right, run hyper-nat doctor there.',
  SERVER_NOT_RUNNING:
    'Start hyper-nat there again. If it is running, it may be private, or your invite may have been revoked or be over: ask the host for one. After a crash, the network forgets the server within some minutes.',
  SERVER_REFUSED: 'Ask the host.',
  NOT_INVITED: 'Ask the host for an invite.',
  INVITE_EXPIRED: 'Ask the host for a new invite.',
  TOO_MANY_DEVICES: 'Stop hyper-nat on one of them, or ask the host for another invite.',
  TOO_MANY_SESSIONS: 'Try again when someone has left.',
  PROTOCOL_ERROR: 'Install the same version on both sides.',
  VERSION_MISMATCH: 'Install the same version on both sides.',
  WRONG_KEY: 'Copy the public key again from the server.'
}

/** What happened, without what to do: that depends on whose side it is. */
const REASONS: Readonly<Record<string, string>> = {
  SERVER_NOT_FOUND: 'No server with this public key is on the network.',
  SERVER_NOT_RUNNING: 'The server was on the network a while ago, and does not answer now.',
  SERVER_REFUSED: 'The server refused the connection.',
  NOT_INVITED: 'The server does not let this computer in.',
  INVITE_EXPIRED: 'The invite has expired.',
  TOO_MANY_DEVICES: 'The invite, or this key, is in use on as many devices as it allows.',
  PROTOCOL_ERROR: 'The two sides do not understand each other.',
  SERVER_UNREACHABLE: 'No packet gets through to the server, though both sides tried.',
  NATS_RANDOM: 'No direct path can be opened: both routers use another port for each peer.',
  RELAY_UNREACHABLE: 'There is no direct path to the server, and the relay does not connect either.'
}

/** Whose side is in the way, by why there is no connection and what is known of both NATs. */
export function sideInTheWay(code: string, here: NatKind, serverIsRandom: boolean | null): Side | null {
  switch (code) {
    case 'DHT_UNREACHABLE':
    case 'WRONG_KEY':
      return 'here'
    case 'SERVER_NOT_FOUND':
    case 'SERVER_NOT_RUNNING':
    case 'SERVER_REFUSED':
    case 'NOT_INVITED':
    case 'INVITE_EXPIRED':
    case 'TOO_MANY_DEVICES':
    case 'TOO_MANY_SESSIONS':
      return 'there'
    case 'NATS_RANDOM':
    case 'PROTOCOL_ERROR':
    case 'VERSION_MISMATCH':
      return 'both'
    case 'RELAY_UNREACHABLE':
      return 'relay'
    default: {
      const strictHere = here === 'symmetric'
      if (strictHere && serverIsRandom) return 'both'
      if (strictHere) return 'here'
      return serverIsRandom ? 'there' : null
    }
  }
}

const WHOSE: Readonly<Record<Side, string>> = {
  here: 'This side is in the way.',
  there: "The server's side is in the way.",
  both: 'Both sides are in the way.',
  relay: 'The relay is in the way.'
}

/** What is known on this side. */
export interface Here {
  readonly kind: NatKind
  readonly beyond: Beyond | null
}

type Thresholds = Pick<DoctorLimits, 'badLoss' | 'slowMs' | 'unsteadyMs'>

/** One check after the other: is it there, does a path open, how good is it, what does it share. */
export function serverChecks(server: ServerFinding, here: Here, limits: Thresholds): Check[] {
  const { code, connected, knownBy, shared } = server
  const several = server.hosts.length > 1 ? `, as ${server.hosts.length} hosts under one secret` : ''
  const found = ok(
    'server',
    `The server is on the network${several}${knownBy > 0 ? ` (${knownBy} DHT nodes know it)` : ''}.`
  )
  if (connected) {
    const used = [found, pathCheck(server, here), qualityCheck(server, limits), mapsCheck(shared)]
    return several ? [...used, ...hostChecks(server, limits)] : used
  }
  if (code === 'DHT_UNREACHABLE') {
    const message = `The server cannot be looked for. ${WHOSE.here}`
    return [problem('server', message, 'Fix the network first, as described above.')]
  }
  const advice = lookUp(AT_THE_SERVER, code)
  if (advice) return [problem('server', told(server), advice)]
  return [found, problem('path', told(server), adviceFor(server, here))]
}

function lookUp(table: Readonly<Record<string, string>>, code: string | null): string | undefined {
  return code !== null && Object.hasOwn(table, code) ? table[code] : undefined
}

function told({ code, reason, inTheWay }: ServerFinding): string {
  const what = lookUp(REASONS, code) ?? reason ?? 'There is no connection.'
  return inTheWay ? `${what} ${WHOSE[inTheWay]}` : what
}

/** A mapped port leads to a server past any NAT, its guests' too. */
const MAP_THERE = 'have the host turn on UPnP, NAT-PMP or PCP in the router there'

function adviceFor({ inTheWay }: ServerFinding, { beyond }: Here): string {
  switch (inTheWay) {
    case 'here':
      return `${RELAY}, or ${loosen(beyond)}. Trying again can help, too.`
    case 'there':
      return `${RELAY}, or ${MAP_THERE}. Trying again can help, too.`
    case 'both':
      return `${RELAY}, or ${MAP_THERE}, or here ${loosen(beyond)}. One of these is enough.`
    case 'relay':
      return 'Run hyper-nat doctor where the relay runs; see that it is not full, that it serves this server, and that its UDP port is open.'
    default:
      // Neither router explains it.
      return `Run hyper-nat doctor at the server, too; a firewall on either side may drop the packets. ${RELAY}.`
  }
}

function pathCheck({ path, serverIsRandom }: ServerFinding, { kind, beyond }: Here): Check {
  if (path === 'lan') return ok('path', 'Connected within the LAN.')
  if (path === 'direct') return ok('path', 'Connected directly.')
  const message =
    'Connected through a relay, since no direct path opened while we looked. It works, with a detour for every packet.'
  if (kind === 'symmetric') {
    // It says so when its own is not.
    const too = serverIsRandom === false ? '' : ', and probably the one there, too'
    return note(
      'path',
      `${message} The router here is strict${too}.`,
      `For a direct path, ${loosen(beyond)}, or ${MAP_THERE}.`
    )
  }
  if (serverIsRandom) {
    return note('path', `${message} The server's router is strict.`, `For a direct path, ${MAP_THERE}.`)
  }
  return note(
    'path',
    message,
    'Run hyper-nat doctor at the server, too; a firewall on either side may drop the packets.'
  )
}

function qualityCheck({ rtt, jitter, loss }: ServerFinding, limits: Thresholds): Check {
  const lost = `${Math.round((loss ?? 1) * 100)} % lost`
  if (rtt === null) {
    return problem(
      'quality',
      `Connected, but no ping was answered (${lost}).`,
      'Try again. If this repeats, run hyper-nat doctor on the server.'
    )
  }
  const message = `Round trip ${milliseconds(rtt)}, jitter ${milliseconds(jitter ?? 0)}, ${lost}.`
  const steady =
    'Use a cable instead of Wi-Fi, and stop downloads on both sides. If packets still get lost, send small UDP packets twice: guests with join --duplicate, the host with "duplicate": true in options.json.'
  if (loss !== null && loss >= limits.badLoss) return problem('quality', message, steady)
  if (loss || (jitter ?? 0) >= limits.unsteadyMs) return note('quality', message, steady)
  if (rtt >= limits.slowMs) {
    return note(
      'quality',
      message,
      'The path is long, or a line on it is full. Stop downloads on both sides.'
    )
  }
  return ok('quality', message)
}

function mapsCheck(shared: readonly SharedMapInfo[]): Check {
  if (shared.length === 0) {
    return note('maps', 'The server shares no ports.', 'Ask the host to share some.')
  }
  return ok('maps', `The server shares ${shared.map(({ proto, port }) => `${proto} ${port}`).join(', ')}.`)
}

/** One line for each of several hosts. */
function hostChecks({ hosts, shared }: ServerFinding, limits: Thresholds): Check[] {
  return hosts.map(host => {
    const { rtt, jitter, loss, path } = host
    const which = `Host ${host.host}${host.used ? ' (the one in use)' : ''}: ${PATHS[path]}, `
    const same = namesOf(host.shared) === namesOf(shared)
    const but = same ? '' : ` It shares ${namesOf(host.shared) || 'nothing'}.`
    const lost = `${Math.round(loss * 100)} % lost.${but}`
    if (rtt === null) return note('host', `${which}no answer, ${lost}`, AT_THE_HOST)
    const message = `${which}round trip ${milliseconds(rtt)}, jitter ${milliseconds(jitter ?? 0)}, ${lost}`
    if (!same) {
      return note(
        'host',
        message,
        'Start all hosts with the same options; otherwise which ports work depends on chance.'
      )
    }
    return loss >= limits.badLoss ? note('host', message, AT_THE_HOST) : ok('host', message)
  })
}

const AT_THE_HOST = 'Run hyper-nat doctor on that machine. Guests use the others meanwhile.'

const PATHS: Readonly<Record<PathKind, string>> = {
  lan: 'within the LAN',
  direct: 'directly',
  relayed: 'through a relay',
  'relayed (tcp)': 'through a relay by TCP'
}

function namesOf(shared: readonly SharedMapInfo[]): string {
  return shared
    .map(({ proto, port }) => `${proto} ${port}`)
    .sort()
    .join(', ')
}

/** `0.6 ms`, `23 ms`. */
export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
