import { encodeKey, shortKey } from '../../../src/identity/encoding.js'
import type { Entry, Options } from '../../../src/options/entry.js'

/** One line per entry, for tables of expectations: `schema[0]: server udp 7913 at 127.0.0.1`. */
export function describe(options: Options): string[] {
  return options.entries.map(line)
}

function line(entry: Entry): string {
  const name = entry.name === undefined ? '' : ` "${entry.name}"`
  const features = ['playerAddresses', 'proxyProtocol', 'duplicate', 'failover'] as const
  const having = features.filter(feature => feature in entry).map(feature => ` ${feature}`)
  const map = `${entry.path}: ${entry.mode} ${entry.proto} ${entry.port}`
  return entry.mode === 'server'
    ? `${map} at ${entry.host}${name}${having.join('')}`
    : `${map} from ${entry.localHost} ${entry.localPort} of ${shortKey(encodeKey(entry.publicKey))}${name}${having.join('')}`
}
