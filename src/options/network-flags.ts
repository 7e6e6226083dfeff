/** What is given for `network` from outside the file: flags or the environment, which go before the file's own. */

import type { NetworkOptions, RelayName } from './entry.js'
import type { Places } from './places.js'

/** Values of one list, and where they were given. */
export interface NetworkFlag {
  /** Separated by commas or blanks; judged with the rest of the options. */
  readonly text: string
  /** `--bootstrap`, or the name of an environment variable. */
  readonly place: string
}

/** What was given: `host:port` of the nodes of another DHT, public keys of relays, that the router, the LAN or IPv6 is to be left alone. */
export interface NetworkFlags {
  readonly bootstrap?: NetworkFlag | undefined
  readonly relay?: NetworkFlag | undefined
  readonly portMapping?: false | undefined
  readonly lan?: false | undefined
  readonly ipv6?: false | undefined
  /** As {@link TcpOptions}, not judged yet. */
  readonly tcp?: TcpFlags | undefined
}

/** What flags say of `network.tcp`; the key `port` is a number if the flag's text is one. */
export interface TcpFlags {
  readonly port?: unknown
  readonly host?: string | undefined
  readonly address?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly portMapping?: true | undefined
}

const TCP_PLACES: Readonly<Record<string, string>> = {
  port: '--tcp',
  host: '--tcp-host',
  address: '--tcp-address',
  cert: '--tls-cert',
  key: '--tls-key',
  tls: '--tls-cert',
  portMapping: '--tcp-port-mapping'
}

/** Relays that a server's tickets name: where it is reached by TCP itself, then those that it uses. */
export function relaysToTell({ relay = [], tcp }: NetworkOptions): RelayName[] {
  return [...(tcp?.address === undefined ? [] : [tcp.address]), ...relay]
}

const KEYS = ['bootstrap', 'relay'] as const

/** The items of a list as written. */
function itemsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter(item => item !== '')
}

/** Puts it where a file would have it. */
export function withNetwork(raw: unknown, flags: NetworkFlags): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw
  const given = KEYS.flatMap(key => (flags[key] ? [[key, itemsOf(flags[key].text)] as const] : []))
  const { portMapping, lan, ipv6, tcp } = flags
  const none = portMapping === undefined && lan === undefined && ipv6 === undefined && !tcp
  if (given.length === 0 && none) return raw
  const { network } = raw as { network?: unknown }
  const more = {
    ...Object.fromEntries(given),
    ...(portMapping !== undefined && { portMapping }),
    ...(lan !== undefined && { lan }),
    ...(ipv6 !== undefined && { ipv6 }),
    ...(tcp && { tcp: tcpOf(tcp) })
  }
  return { ...raw, network: { ...(network as object), ...more } }
}

/** As a file would have it. */
function tcpOf({ port, host, address, cert, key, portMapping }: TcpFlags): object {
  const tls = { ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }
  return {
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(address !== undefined && { address }),
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(portMapping && { portMapping })
  }
}

/** Names what is in the lists by the place where they were given. */
export function networkPlaces(places: Places, flags: NetworkFlags): Places {
  return {
    entry: places.entry,
    field: path => {
      if (flags.tcp && path[0] === 'network' && path[1] === 'tcp')
        return TCP_PLACES[String(path.at(-1))] ?? '--tcp'
      const key = path[0] === 'network' ? KEYS.find(key => key === path[1]) : undefined
      return (key && flags[key]?.place) ?? places.field(path)
    }
  }
}

/** The network as `HyperNat` takes it. */
export function nodeOptions({
  relay,
  ...network
}: NetworkOptions): Omit<NetworkOptions, 'relay'> & { readonly relays: NetworkOptions['relay'] } {
  return { ...network, relays: relay }
}
