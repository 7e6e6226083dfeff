/** Bootstrap nodes given from outside the file: a flag or the environment, which go before the file's own. */

import type { Places } from './places.js'

/** Nodes of another DHT, and where they were given. */
export interface Bootstrap {
  /** `host:port`, separated by commas or blanks; judged with the rest of the options. */
  readonly text: string
  /** `--bootstrap`, or the name of an environment variable. */
  readonly place: string
}

/** The nodes of a list as written. */
function nodesOf(text: string): string[] {
  return text.split(/[\s,]+/).filter(node => node !== '')
}

/** Puts the nodes where a file would have them. */
export function withBootstrap(raw: unknown, bootstrap: Bootstrap | undefined): unknown {
  if (!bootstrap || typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw
  const { network } = raw as { network?: unknown }
  return { ...raw, network: { ...(network as object), bootstrap: nodesOf(bootstrap.text) } }
}

/** Names the nodes by the place where they were given. */
export function bootstrapPlaces(places: Places, bootstrap: Bootstrap | undefined): Places {
  if (!bootstrap) return places
  return {
    entry: places.entry,
    field: path => (path[0] === 'network' && path[1] === 'bootstrap' ? bootstrap.place : places.field(path))
  }
}
