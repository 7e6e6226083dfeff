/** Statistics of a series of pings: each a round trip in ms, or null for no answer. */
type Trips = readonly (number | null)[]

function answered(trips: Trips): number[] {
  return trips.filter(trip => trip !== null)
}

/** The median in ms; null if none was answered. */
export function medianOf(trips: Trips): number | null {
  const sorted = answered(trips).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}

/** The mean difference between successive round trips, ms; null with fewer than two. */
export function jitterOf(trips: Trips): number | null {
  const all = answered(trips)
  if (all.length < 2) return null
  let sum = 0
  for (let i = 1; i < all.length; i++) sum += Math.abs(all[i]! - all[i - 1]!)
  return sum / (all.length - 1)
}

/** The share that was not answered, 0 to 1; 0 for an empty series. */
export function lossOf(trips: Trips): number {
  return trips.length === 0 ? 0 : 1 - answered(trips).length / trips.length
}
