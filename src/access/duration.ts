/** Spans of time as people write them: `7d`, `12h`, `90m`, `2w`. */

const MINUTE = 60_000
const UNITS: Readonly<Record<string, number>> = {
  m: MINUTE,
  h: 60 * MINUTE,
  d: 24 * 60 * MINUTE,
  w: 7 * 24 * 60 * MINUTE
}

/** Ten years: what is longer is no end. */
const LONGEST = 3650 * UNITS.d!

/** Milliseconds, from a minute to ten years; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^\s*(\d{1,7})\s*([mhdw])\s*$/i.exec(text) ?? []
  if (count === undefined || unit === undefined) return undefined
  const ms = Number(count) * UNITS[unit.toLowerCase()]!
  return ms > 0 && ms <= LONGEST ? ms : undefined
}
