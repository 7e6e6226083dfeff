/** A daemon's events as text for people, in ASCII: Windows consoles show nothing else reliably. */

import type { ClientMapInfo, DaemonEvent, PathKind, ServerMapInfo, ServiceEvent } from '../events.js'
import { runningTexts, waitingTexts } from '../games/help.js'
import { shortKey } from '../identity/encoding.js'
import { TARGET_WATCH } from '../limits.js'
import { isRelayed } from '../network/path.js'
import type { Entry } from '../options/entry.js'
import { hostPort } from '../text/address.js'
import { portsText } from '../text/ports.js'
import { quoteName } from '../text/quote.js'
import { isSocketPath } from '../text/socket-path.js'
import { clientLine } from './client-line.js'
import { inviteLine } from './invite-line.js'
import { type GameOf, joinHints } from './join-hints.js'
import type { LiveLine } from './live-status.js'
import { reloadedText } from './running.js'

/** The events that are printed on stdout. */
type Told = Exclude<DaemonEvent | ServiceEvent, { event: 'error' | 'warning' }>

export type TargetEvent = Extract<DaemonEvent, { event: 'target' }>

/** What is shown besides the events. */
export interface TextExtras {
  /** Maps to tell how to use once they are open. */
  readonly joined?: readonly Pick<Entry, 'proto' | 'port' | 'name' | 'lobby'>[] | undefined
  /** Whether servers come from flags. */
  readonly byFlags?: true | undefined
  /** The options file. */
  readonly file?: string | undefined
  /** Whether it has several servers. */
  readonly hasSeveral?: boolean
  /** What to do in a game that is shared. */
  readonly hosted?: string | undefined
  /** The game that the name of a port map tells. */
  readonly gameOf?: GameOf | undefined
  /** What people call a port map of this name. */
  readonly titleOf?: ((name: string) => string) | undefined
  /** Whether stdout is a terminal. */
  readonly interactive?: boolean
  /** Shows how it stands below what is printed, at a terminal. */
  readonly live?: LiveLine | undefined
  /** Whether stdout shows colours. */
  readonly colour?: boolean
  /** Draws the ticket of a server, or that of the client. */
  readonly qr?: (ticket: string) => string
}

/** Who a session is with. */
type Side = Pick<Extract<DaemonEvent, { event: 'connected' }>, 'publicKey' | 'peer' | 'name' | 'host'>

/** Remembers who is connected. */
export class EventText {
  readonly #bootstrap: readonly string[]
  readonly #extras: TextExtras
  /** The hosts of each server that are connected: with several, each is named. */
  readonly #hosts = new Map<string, Set<string>>()

  /** @param bootstrap DHT nodes that the other side needs too */
  constructor(bootstrap: readonly string[] = [], extras: TextExtras = {}) {
    this.#bootstrap = bootstrap
    this.#extras = extras
  }

  readonly #titleOf = (name: string): string => this.#extras.titleOf?.(name) ?? name

  /** One or more lines, the last with its line break. */
  of(event: Told): string {
    switch (event.event) {
      case 'ready':
        if (event.mode === 'bootstrap') return bootstrapNodes(event.nodes)
        if (event.mode === 'relay') return relay(event.publicKey, event.address)
        if (event.mode === 'client') return this.#open(event.publicKey, event.maps)
        return (
          (event.private
            ? this.#privately(event.publicKey, event.maps, event.ticket)
            : this.#sharing(event.publicKey, event.maps, event.ticket)) + (this.#extras.hosted ?? '')
        )
      case 'reloaded':
        return reloadedText(event)
      case 'announcing':
        return `Announced ${event.announced} of ${event.servers} servers ...\n`
      case 'announced':
        return `Announced: guests can join now (${shortKey(event.publicKey)})\n`
      case 'connecting':
        return ''
      case 'waiting':
        return `Waiting for ${shortKey(event.publicKey)}: ${event.message}\n`
      case 'connected':
        this.#hostsOf(event).add(event.host)
        return this.#connected(event)
      case 'disconnected':
        return `${this.#gone(event)} disconnected (${event.code})${whyGone(event.code)}\n`
      case 'target':
        return this.targets([event])
      case 'ui':
        return `Open the control page:\n  ${event.url}\nKeep this link private; it works until hyper-nat stops.\n`
      case 'metrics':
        return `Metrics at ${event.url}\n`
      case 'relaying':
        return `A session began; there are ${event.sessions}\n`
      case 'clients':
        return `Clients by TCP: ${event.clients}\n`
      case 'relayed':
        return `A session ended after ${event.bytes} bytes; there are ${event.sessions}\n`
    }
  }

  /** The programs behind ports, of which several may have been found or lost at once. */
  targets(events: readonly TargetEvent[]): string {
    const of = (state: TargetEvent['state']): TargetEvent[] => events.filter(event => event.state === state)
    const advice = (them: string): string => `: start ${them}, then guests can use ${them}`
    const waiting = waitingTexts(of('closed'), this.#titleOf, advice)
    const running = runningTexts(of('answers'), this.#titleOf)
    return [...waiting, ...running].map(text => `${text}.\n`).join('')
  }

  #sharing(publicKey: string, maps: readonly ServerMapInfo[], ticket: string | undefined): string {
    const line = clientLine(publicKey, maps, this.#bootstrap)
    if (ticket === undefined) return `${toPaste(line)}${sharing(publicKey, maps)}`
    return (
      toPaste(`hyper-nat join ${ticket}`) +
      (this.#extras.qr?.(ticket) ?? '') +
      `${sharing(publicKey, maps)}To choose other ports on that computer, run there instead:\n  ${line}\n`
    )
  }

  /** With its own ticket, only those come in whose keys are known. */
  #privately(publicKey: string, maps: readonly ServerMapInfo[], ticket: string | undefined): string {
    const shared = sharing(publicKey, maps)
    if (!this.#extras.byFlags) {
      const { file, hasSeveral } = this.#extras
      const line = inviteLine(file, hasSeveral ? publicKey : undefined)
      return `${shared}Only invited guests can join. Make a ticket for one:\n  ${line}\n`
    }
    const line =
      ticket === undefined ? clientLine(publicKey, maps, this.#bootstrap) : `hyper-nat join ${ticket}`
    return (
      toPaste(`${line} --identity FILE`) +
      (ticket === undefined ? '' : (this.#extras.qr?.(ticket) ?? '')) +
      `${shared}Only the keys that you allow can join; FILE is the one that hyper-nat id shows on that computer.\n`
    )
  }

  #open(publicKey: string, maps: readonly ClientMapInfo[]): string {
    const { joined, gameOf, qr } = this.#extras
    const ranges = runs(
      maps,
      (map, before) =>
        map.localPort === before.localPort + 1 &&
        map.localHost === before.localHost &&
        !isSocketPath(map.localHost)
    )
    const lines = ranges.map(range => `${clientMaps(range, publicKey)}\n`).join('')
    return joined ? `${lines}${joinHints(maps, joined, gameOf)}${qr?.('') ?? ''}` : lines
  }

  #connected(event: Extract<DaemonEvent, { event: 'connected' }>): string {
    const { path, was, family, address } = event
    const now = family === undefined ? path : `${path}, ${family}`
    if (was === undefined)
      return `${this.#peer(event)} connected (${now})${address ? `, in the game as ${address}` : ''}\n`
    const by = family === undefined ? path : `${path} over ${family}`
    return `${this.#peer(event)} is now ${by}, was ${was}: ${whyChanged(was, family)}\n`
  }

  #peer(event: Side): string {
    const { publicKey, peer, name, host } = event
    // To a client, its peer is the server that it knows by this key.
    if (peer !== publicKey) {
      return `Guest ${name === undefined ? shortKey(peer) : quoteName(name)}`
    }
    const which = this.#hostsOf(event).size > 1 ? `, host ${host},` : ''
    return `Server ${shortKey(publicKey)}${which}`
  }

  #gone(event: Side): string {
    const who = this.#peer(event)
    this.#hostsOf(event).delete(event.host)
    return who
  }

  /** The hosts of a server that are connected. */
  #hostsOf({ publicKey }: Side): Set<string> {
    let hosts = this.#hosts.get(publicKey)
    if (!hosts) this.#hosts.set(publicKey, (hosts = new Set()))
    return hosts
  }
}

/** Reasons for which people leave, and lose their connection. */
const REASONS: Readonly<Record<string, string>> = {
  GOODBYE: 'it was stopped',
  CONNECTION_LOST: 'nothing came through any more; it may come back',
  ETIMEDOUT: 'nothing came through any more; it may come back',
  ECONNRESET: 'the other side knows nothing of the connection any more; it may come back',
  CLOSED: 'the connection was closed; it may come back',
  SESSION_EXPIRED: 'it was away for too long',
  NOT_INVITED: 'the host does not let this guest in any more',
  INVITE_EXPIRED: 'the time of the invite is over',
  ACCESS_CHANGED: 'the invite is for other ports now'
}

function whyGone(code: string): string {
  const reason = REASONS[code]
  return reason === undefined ? '' : `: ${reason}`
}

function whyChanged(was: PathKind, family: 'IPv6' | undefined): string {
  if (isRelayed(was)) return 'a direct path opened'
  return family ? 'that is faster' : 'its address changed'
}

/** First and alone, so that it is easy to copy. */
function toPaste(line: string): string {
  return `On the other computer, run:\n\n  ${line}\n\n`
}

function sharing(publicKey: string, maps: readonly ServerMapInfo[]): string {
  const ranges = runs(maps, (map, before) => map.host === before.host && !isSocketPath(map.host))
  const lines = ranges.map(range => {
    const { proto, host } = range[0]!
    return `  ${proto} ${portsOf(range)} of ${host}\n`
  })
  const { maps: most } = TARGET_WATCH
  const watched = maps.length > most ? `  (hyper-nat looks for programs on ${most} of them)\n` : ''
  return `Sharing\n${lines.join('')}${watched}Public key\n  ${publicKey}\n`
}

function bootstrapNodes(nodes: readonly string[]): string {
  // One is enough to find the others; a second helps when its machine is away.
  return (
    `A DHT runs on\n${nodes.map(node => `  ${node}\n`).join('')}` +
    `Others use it with\n  --bootstrap ${nodes[0]}\nor, in options.json, with\n` +
    `  "network": { "bootstrap": ["${nodes[0]}"] }\n`
  )
}

function relay(publicKey: string, address: string | undefined): string {
  const names = [publicKey, ...(address === undefined ? [] : [address])]
  return (
    `A relay runs under the public key\n  ${publicKey}\n` +
    (address === undefined ? '' : `and is reached by TCP, where UDP is blocked, at\n  ${address}\n`) +
    `Servers, or clients, use it with\n  --relay ${names.join(',')}\nor, in options.json, with\n` +
    `  "network": { "relay": [${names.map(name => `"${name}"`).join(', ')}] }\n`
  )
}

function clientMaps(range: readonly ClientMapInfo[], publicKey: string): string {
  const { localHost, localPort, proto } = range[0]!
  const last = range.length > 1 ? `-${range.at(-1)!.localPort}` : ''
  return `${hostPort(localHost, localPort)}${last} (${proto}) -> ${portsOf(range)} of ${shortKey(publicKey)}`
}

function portsOf(range: readonly { readonly port: number }[]): string {
  return portsText(range.map(({ port }) => port))
}

/** Maps whose ports follow each other are a range. @param goesOn whether the rest of a map continues that of the one before */
function runs<T extends Pick<ServerMapInfo, 'proto' | 'port'>>(
  maps: readonly T[],
  goesOn: (map: T, before: T) => boolean
): T[][] {
  const found: T[][] = []
  for (const map of maps) {
    const before = found.at(-1)?.at(-1)
    if (before && map.proto === before.proto && map.port === before.port + 1 && goesOn(map, before))
      found.at(-1)!.push(map)
    else found.push([map])
  }
  return found
}
