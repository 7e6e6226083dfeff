/** "Did you mean ..?" for words that nobody knows. */

import { closestMatch } from 'leven'

/** Words of other programs and older habits, and what they are called here. */
const SYNONYMS: Record<string, string> = {
  key: 'publicKey',
  serverkey: 'publicKey',
  protocol: 'proto',
  type: 'proto',
  ip: 'host',
  address: 'host',
  hostname: 'host',
  target: 'host',
  remoteport: 'port',
  ports: 'port',
  password: 'secret',
  secretkey: 'secret',
  seed: 'secret',
  listen: 'localHost',
  bind: 'localHost',
  entries: 'schema',
  maps: 'schema',
  tunnels: 'schema'
}

/** Case and separators do not tell words apart: `local-port`, `localport`, `LOCAL_PORT`. */
function bare(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, '')
}

/** Letters in another order are a slip that counts as several wrong ones: `tpc`, `hots`. */
function sorted(word: string): string {
  return [...word].sort().join('')
}

/**
 * The word of `candidates` that was probably meant, or undefined when none is near.
 * @param synonyms further words that stand for a candidate, in {@link bare} form
 */
export function guess(
  word: string,
  candidates: readonly string[],
  synonyms: Record<string, string> = SYNONYMS
): string | undefined {
  const wanted = bare(word)
  const same = candidates.find(candidate => bare(candidate) === wanted)
  if (same) return same
  const synonym = Object.hasOwn(synonyms, wanted) ? synonyms[wanted] : undefined
  if (synonym && candidates.includes(synonym)) return synonym
  const longer = candidates.filter(candidate => bare(candidate).startsWith(wanted))
  if (wanted.length > 2 && longer.length > 0) return longer.reduce((a, b) => (b.length < a.length ? b : a))
  // A third of the letters may be wrong, but one word of two letters is no typo of any other.
  const maxDistance = Math.min(3, Math.floor(wanted.length / 3))
  const within = (distance: number): string | undefined => {
    const near = closestMatch(wanted, candidates.map(bare), { maxDistance: distance })
    return candidates.find(candidate => bare(candidate) === near)
  }
  const oneOff = maxDistance > 0 && wanted.length > 3 ? within(1) : undefined
  const swapped = candidates.find(candidate => sorted(bare(candidate)) === sorted(wanted))
  return oneOff ?? swapped ?? (maxDistance > 0 ? within(maxDistance) : undefined)
}
