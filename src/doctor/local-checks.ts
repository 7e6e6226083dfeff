/** Findings about this computer and its network, in words for people. Pure. */
import type { TargetState } from '../events.js'
import { type NamedTarget, runningTexts, waitingTexts } from '../games/help.js'
import type { Contact } from '../network/contact.js'
import type { Beyond } from '../network/hops.js'
import type { NatFinding, NatKind, Unknown } from '../network/nat.js'
import type { MappingProtocol } from '../network/router.js'
import type { Survey } from '../network/survey-finding.js'
import type { Refusal } from '../network/tcp-relay/refusal.js'
import type { Check, CheckName, ClockFinding, PortMappingFinding, VersionFinding } from './report.js'

/** The oldest Node.js that hyper-nat runs on. */
const NODE_MIN = [20, 19] as const

export function ok(name: CheckName, message: string): Check {
  return { name, verdict: 'ok', message, advice: null }
}

export function note(name: CheckName, message: string, advice: string | null): Check {
  return { name, verdict: 'note', message, advice }
}

export function problem(name: CheckName, message: string, advice: string): Check {
  return { name, verdict: 'problem', message, advice }
}

export function versionCheck({ hyperNat, node, platform }: VersionFinding): Check {
  const message = `hyper-nat ${hyperNat} on Node.js ${node}, ${platform}.`
  const [major = 0, minor = 0] = node.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return ok('version', message)
  return problem(
    'version',
    message,
    `Install Node.js ${NODE_MIN.join('.')} or newer from https://nodejs.org.`
  )
}

export function clockCheck({ now, plausible, jumped }: ClockFinding, jumpMs: number): Check {
  const shown = `The clock shows ${new Date(now).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const set = 'Set the clock, or have the system do so over the network; times in logs are wrong until then.'
  if (!plausible) return note('clock', `${shown}, which cannot be right.`, set)
  if (Math.abs(jumped) > jumpMs) {
    const by = `${Math.round(Math.abs(jumped) / 1000)} s ${jumped < 0 ? 'back' : 'forward'}`
    return note('clock', `${shown}, and was set ${by} while we looked.`, set)
  }
  return ok(
    'clock',
    `${shown}, which is possible; it was compared with no other clock, and connections do not depend on it.`
  )
}

/** A port map of a server that runs on this computer. */
export interface SharedTarget extends NamedTarget {
  readonly target: TargetState
}

/** The programs behind what this computer shares; null where nothing is shared, or nothing is known of any. */
export function targetCheck(
  shared: readonly SharedTarget[],
  titleOf: (name: string) => string
): Check | null {
  const closed = shared.filter(({ target }) => target === 'closed')
  if (closed.length > 0) {
    return problem(
      'target',
      `${waitingTexts(closed, titleOf).join('. ')}: nothing listens there.`,
      'Start the program. If it runs already, it listens on another port: share that one.'
    )
  }
  const running = shared.filter(({ target }) => target === 'answers')
  return running.length === 0 ? null : ok('target', `${runningTexts(running, titleOf).join('. ')}.`)
}

const UNREACHED: Readonly<Record<Contact, readonly [message: string, advice: string]>> = {
  blocked: [
    'UDP is blocked: the computers of the network answer to TCP, but no UDP packet gets there and back.',
    'Let UDP out in the firewall of this computer and of the router. In a hotel, school or company ask for it, or use another connection, such as that of a phone.'
  ],
  refused: [
    'UDP to the first nodes of the network is refused, by their computers or by a firewall on the way.',
    'If you named the nodes (--bootstrap), see that they run and that the ports are right; else let UDP out in the firewall.'
  ],
  offline: [
    'This computer has no connection to the network.',
    'Connect it: plug in the cable, or join the Wi-Fi, and see that it has an address and a router.'
  ],
  silent: [
    'No node of the network answers, and nothing else comes back from there either.',
    'Check the internet connection with a browser. If that works, a firewall drops what hyper-nat sends: let UDP out there. If you named nodes (--bootstrap), see that they run.'
  ]
}

const REFUSED: Readonly<Record<Refusal, string>> = {
  token: 'wants another token',
  version: 'speaks another version',
  full: 'is full',
  proxy: 'is behind an HTTP proxy whose address, in HTTPS_PROXY or ALL_PROXY, is none',
  unreachable: 'is not reached'
}

/** What to do where UDP is blocked and no relay by TCP is known. */
const NO_TCP_RELAY =
  'Or send packets over TCP: the host makes itself reachable (hyper-nat host --tcp) or runs a relay (hyper-nat relay --tcp); its ticket, or --relay wss://.., says where.'

export function networkCheck(survey: Survey): Check {
  const { asked, answered, rtt, contact, tcp } = survey
  const used = tcp?.used ?? null
  if (used !== null && answered === 0 && !tcp?.server) {
    return problem(
      'network',
      `UDP is blocked here, and no node of the network answers through the relay ${used}.`,
      'The relay lets this computer in, but has no connection itself, or its own UDP is blocked: run hyper-nat doctor where it runs, or name another one (--relay wss://..).'
    )
  }
  if (tcp && (used !== null || tcp.server)) {
    const what =
      used === null || answered === 0
        ? 'that of a server itself, which leads to that server only'
        : `${answered} of ${asked} DHT nodes answer through ${used}, round trip ${Math.round(rtt ?? 0)} ms`
    return note(
      'network',
      `UDP is blocked here; a relay by TCP works: ${what}.`,
      'Everything works, with a detour. For direct paths, allow outgoing UDP in the firewalls of this computer and of the router.'
    )
  }
  if (answered === 0) {
    const [message, advice] = UNREACHED[contact ?? 'silent']
    if (contact !== 'blocked' && contact !== 'silent') return problem('network', message, advice)
    if (!tcp) {
      return problem('network', `${message} No relay by TCP is known.`, `${advice} ${NO_TCP_RELAY}`)
    }
    const failed = tcp.failed.map(({ address, why }) => `${address} ${REFUSED[why]}`).join(', ')
    return problem('network', `${message} No relay by TCP works, either: ${failed}.`, advice)
  }
  const message = `${answered} of ${asked} DHT nodes answer, round trip ${Math.round(rtt ?? 0)} ms.`
  if (answered * 2 > asked) return ok('network', message)
  return note('network', message, 'Many packets get lost: check the Wi-Fi or the cable, and stop downloads.')
}

/** What a kind of NAT is called. */
export function natName({ kind }: Pick<NatFinding, 'kind'>): string {
  return NAMES[kind]
}

const NAMES: Readonly<Record<NatKind, string>> = {
  open: 'open',
  'full-cone': 'open (full cone)',
  cone: 'moderate (restricted cone)',
  firewall: 'moderate (public address behind a firewall)',
  symmetric: 'strict (symmetric, random ports)',
  blocked: 'UDP blocked',
  unknown: 'unknown'
}

const WELL_PUNCHED =
  'You can play with everyone, as host and as guest; connecting to someone behind a strict NAT can take a few seconds.'

const KINDS: Readonly<Record<'open' | 'full-cone' | 'cone' | 'firewall', string>> = {
  open: 'others can reach this computer directly. You can play with everyone, as host and as guest.',
  'full-cone':
    'the router uses one port for all peers and lets everyone in there. You can play with everyone, as host and as guest.',
  cone: `the router uses one port for all peers and lets in those that this computer has sent to, as most do. ${WELL_PUNCHED}`,
  firewall: `no router translates addresses, and a firewall lets in those that this computer has sent to. ${WELL_PUNCHED}`
}

const UNKNOWN: Readonly<Record<Exclude<Unknown, 'no-answer'>, readonly [message: string, advice: string]>> = {
  inside: [
    'all nodes of this network are on this side of the router, and see nothing of it.',
    'For friends beyond the router, use nodes that are outside (leave --bootstrap out for the public DHT).'
  ],
  'one-host': [
    'all nodes that answer have one address, so it is unknown whether the router uses other ports for other peers.',
    'Use nodes at two addresses (or leave --bootstrap out for the public DHT), and ask again.'
  ]
}

/**
 * @param beyond a carrier's NAT cannot be changed by its customer
 * @param mapped whether the router maps a port for servers here
 * @returns null when no node answers: {@link networkCheck} says so
 */
export function natCheck(nat: NatFinding, beyond: Beyond | null, mapped = false): Check | null {
  const { kind } = nat
  const name = NAMES[kind]
  if (kind === 'blocked' || nat.unknown === 'no-answer') return null
  if (kind === 'unknown') {
    const [message, advice] = UNKNOWN[nat.unknown ?? 'one-host']
    return note('nat', `NAT ${name}: ${message}`, advice)
  }
  if (kind !== 'symmetric') return ok('nat', `NAT ${name}: ${KINDS[kind]}`)
  if (mapped) {
    return note(
      'nat',
      `NAT ${name}: the router uses another port for each peer. As host, you can play with everyone, since the router maps a port. As guest, you connect directly to open NATs, to moderate ones after some seconds, and to another strict one that maps no port only through a relay.`,
      `As guest: ${RELAY.charAt(0).toLowerCase()}${RELAY.slice(1)}, or ${loosen(beyond)}.`
    )
  }
  return note(
    'nat',
    `NAT ${name}: the router uses another port for each peer. You connect directly to open NATs, to moderate ones after some seconds, and to another strict one only through a relay.`,
    `${RELAY}, or ${loosen(beyond)}.`
  )
}

/** What to do where no direct path opens. */
export const RELAY = 'Name a relay on one side (--relay KEY; "hyper-nat relay" runs one)'

/** What else to do about a strict NAT, which depends on whose it is. */
export function loosen(beyond: Beyond | null): string {
  return beyond === 'carrier'
    ? 'ask the carrier for a public IPv4 address'
    : 'turn on "full cone" or "open NAT" in the router, if it has that'
}

export function addressCheck({ publicAddresses, translated }: NatFinding): Check | null {
  const [address, ...others] = publicAddresses
  if (address === undefined) return null
  if (others.length > 0) {
    return note(
      'address',
      `Others see this computer under several addresses: ${publicAddresses.join(', ')}.`,
      'Carriers and VPNs do that; if connections fail, try without the VPN, or name a relay (--relay).'
    )
  }
  return ok('address', `The public address is ${address}${translated ? ', that of a router' : ''}.`)
}

/** What lies beyond the first router; null when nothing is known. */
export function beyondCheck(beyond: Beyond | null): Check | null {
  switch (beyond) {
    case null:
      return null
    case 'public':
      return ok('beyond', 'No second NAT shows behind the router.')
    case 'carrier':
      return note(
        'beyond',
        "Carrier-grade NAT: on the way out is an address of the range in which carriers' customers share a public one.",
        'Ports forwarded at your own router have no effect then; ask the carrier for a public IPv4 address if you need it.'
      )
    case 'private':
      return note(
        'beyond',
        'Perhaps double NAT: behind the first router comes another private network, of a second router, a carrier, a virtual machine or a VPN.',
        'If both routers are yours, set one to bridge mode, or forward ports at both.'
      )
  }
}

/** How people know the ways to ask a router. */
const PROTOCOLS: Readonly<Record<MappingProtocol, string>> = {
  upnp: 'UPnP',
  'nat-pmp': 'NAT-PMP',
  pcp: 'PCP'
}

/** Whether servers here get a port from the router, and what that means. */
export function portMappingCheck(mapping: PortMappingFinding, nat: NatFinding, beyond: Beyond | null): Check {
  switch (mapping.state) {
    case 'unneeded':
      return ok('portMapping', 'There is no router in between, so none has to map a port.')
    case 'mapped': {
      const { protocol, externalAddress, externalPort } = mapping
      return ok(
        'portMapping',
        `The router maps ports for programs that ask (${PROTOCOLS[protocol]}), and UDP port ${externalPort} of ${externalAddress} led here. Guests behind any NAT reach servers here directly.`
      )
    }
    case 'useless':
      return note('portMapping', uselessPort(mapping), USELESS[beyond ?? 'public'])
    case 'refused':
      return note(
        'portMapping',
        'The router maps ports for programs that ask, but refused one.',
        `Allow it in the router (UPnP, NAT-PMP or PCP), and ${REACHED}. A router behind another NAT may refuse whatever is set.`
      )
    case 'none': {
      const message = 'The router maps no ports for programs that ask.'
      if (nat.translated === false || nat.kind === 'open') return ok('portMapping', message)
      return note('portMapping', message, `Turn on UPnP, NAT-PMP or PCP in the router, and ${REACHED}.`)
    }
  }
}

const REACHED = 'guests behind any NAT reach servers here directly'

function uselessPort(mapping: Extract<PortMappingFinding, { state: 'useless' }>): string {
  const { protocol, externalPort, routerAddress, seenAddress } = mapping
  const maps = `The router maps ports (${PROTOCOLS[protocol]}), but nothing came in at the one that it gave, ${externalPort}`
  return routerAddress === null || seenAddress === null || routerAddress === seenAddress
    ? `${maps}: a firewall or another router blocks it.`
    : `${maps}: its own address is ${routerAddress}, others see ${seenAddress}, so there is another NAT in between.`
}

const USELESS: Readonly<Record<Beyond, string>> = {
  carrier: 'Ask the carrier for a public IPv4 address; servers here work without it as the NAT allows.',
  private:
    'If both routers are yours, set one to bridge mode; servers here work without it as the NAT allows.',
  public: 'Let UDP in at the firewall of the router; servers here work without it as the NAT allows.'
}
