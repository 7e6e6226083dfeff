/** How a game finds servers in a LAN, as its recipe says it. */

import type { Queries } from './discovery-shape.js'

export type { Announces, Discovery, PortField, Queries } from './discovery-shape.js'

/** Whether a game asks on this port. */
export function asksOn({ ports }: Queries, port: number): boolean {
  if (typeof ports === 'number') return ports === port
  const [first, last] = ports.split('-').map(Number) as [number, number]
  return first <= port && port <= last
}
