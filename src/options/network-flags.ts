/** What is given for `network` from outside the file: flags or the environment, which go before the file's own. */

import type { Places } from './places.js'

/** Values of one list, and where they were given. */
export interface NetworkFlag {
  /** Separated by commas or blanks; judged with the rest of the options. */
  readonly text: string
  /** `--bootstrap`, or the name of an environment variable. */
  readonly place: string
}

/** What was given: `host:port` of the nodes of another DHT, public keys of relays, that the router is to be left alone. */
export interface NetworkFlags {
  readonly bootstrap?: NetworkFlag | undefined
  readonly relay?: NetworkFlag | undefined
  readonly portMapping?: false | undefined
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
  const { portMapping } = flags
  if (given.length === 0 && portMapping === undefined) return raw
  const { network } = raw as { network?: unknown }
  const more = { ...Object.fromEntries(given), ...(portMapping !== undefined && { portMapping }) }
  return { ...raw, network: { ...(network as object), ...more } }
}

/** Names what is in the lists by the place where they were given. */
export function networkPlaces(places: Places, flags: NetworkFlags): Places {
  return {
    entry: places.entry,
    field: path => {
      const key = path[0] === 'network' ? KEYS.find(key => key === path[1]) : undefined
      return (key && flags[key]?.place) ?? places.field(path)
    }
  }
}
