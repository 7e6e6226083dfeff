/**
 * On/off options of a server's port map. Everything between options.json or the command line and the port map takes them from
 * the table here: the schema, the flags of `hyper-nat server`, entries, and the library's `share`.
 */

import type { Fault } from '../errors.js'
import type { Proto } from '../proto.js'
import { isIPv4Loopback } from '../text/address.js'
import { quote } from '../text/quote.js'

export interface ServerFeatures {
  /**
   * Whether the target, which must be on this machine's IPv4 loopback, sees each guest come from an address 127.x.y.z of its own,
   * the same each time for a guest with a permanent key. Default: all come from 127.0.0.1.
   */
  readonly playerAddresses?: boolean | undefined
  /**
   * Whether connections to the target begin with a header of the PROXY protocol, version 2, with the guest's player address as
   * source; not for `udp`.
   */
  readonly proxyProtocol?: boolean | undefined
  /** Whether small payloads to guests are sent twice, for lines that lose packets; `udp` only. */
  readonly duplicate?: boolean | undefined
}

export type ServerFeature = keyof ServerFeatures

interface FeatureSpec {
  /** On the command line. */
  readonly flag: string
  /** For the help of the command line. */
  readonly help: string
  /** For options.json. */
  readonly description: string
  /** The protocols that can have it. */
  readonly protos: readonly Proto[]
  /** What is wrong with it for targets on `host`, as the rest of a sentence. */
  readonly hostFault?: (host: string) => string | undefined
}

const FEATURES: Readonly<Record<ServerFeature, FeatureSpec>> = {
  playerAddresses: {
    flag: 'player-addresses',
    help: 'The program here sees each guest come from an address of its own, 127.x.y.z',
    description:
      'Whether the program sees each guest come from an address of its own, 127.x.y.z, for its bans, limits and logs. It must be on this machine. Leave it out for services that trust 127.0.0.1 alone.',
    protos: ['tcp', 'udp', 'tcpudp'],
    hostFault: host =>
      isIPv4Loopback(host)
        ? undefined
        : `is for programs on this computer, at 127.0.0.1 or localhost, but the host is ${quote(host)}; leave it out, or use proxyProtocol if the program knows it`
  },
  proxyProtocol: {
    flag: 'proxy-protocol',
    help: 'Tell the program who connects by the PROXY protocol, version 2 (tcp, tcpudp)',
    description:
      "Whether each TCP connection begins with a header of the PROXY protocol (version 2) that tells the guest's player address (127.x.y.z, not the one on the internet); the program must expect it.",
    protos: ['tcp', 'tcpudp']
  },
  duplicate: {
    flag: 'duplicate',
    help: 'Send small UDP datagrams twice, for a line that loses packets; each side sets this for what it sends',
    description:
      'Whether small UDP datagrams to guests are sent twice, for lines that lose packets. What guests send, they set in their own entry.',
    protos: ['udp']
  }
}

export const serverFeatures = Object.entries(FEATURES) as readonly (readonly [ServerFeature, FeatureSpec])[]

/** Makes a record with one value for each feature. */
export function perFeature<T>(make: (spec: FeatureSpec, name: ServerFeature) => T): Record<ServerFeature, T> {
  return Object.fromEntries(serverFeatures.map(([name, spec]) => [name, make(spec, name)])) as Record<
    ServerFeature,
    T
  >
}

/** The features of one port map: those that are on and that its protocol can have. */
export function featuresOn(given: ServerFeatures, proto: Proto): ServerFeatures {
  return Object.fromEntries(
    serverFeatures.flatMap(([name, { protos }]) =>
      given[name] && protos.includes(proto) ? [[name, true]] : []
    )
  )
}

/**
 * Features that are on where they can have no effect.
 * @param host of the targets; undefined for client entries
 * @param protos all of the entry's: a feature needs one that can have it
 * @param place names the place of a feature
 */
export function featureFaults(
  given: ServerFeatures & { readonly host?: string | undefined },
  protos: readonly Proto[],
  place: (feature: ServerFeature) => string
): Fault[] {
  return serverFeatures.flatMap(([name, spec]) => {
    if (!given[name]) return []
    const message =
      (given.host === undefined ? undefined : spec.hostFault?.(given.host)) ?? protoFault(spec, protos)
    return message === undefined ? [] : [{ path: place(name), message }]
  })
}

function protoFault(spec: FeatureSpec, protos: readonly Proto[]): string | undefined {
  // No protocol at all is a fault of the ports, which is reported there.
  if (protos.length === 0 || protos.some(proto => spec.protos.includes(proto))) return undefined
  return `is for ${spec.protos.join(' and ')}, but this is ${protos.join('+')}; leave it out`
}
