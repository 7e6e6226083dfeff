/** Local ports of one game that depend on each other: its recipe, or the ticket, says how. */
import type { GuestPorts } from '../identity/ticket.js'
import { partsOf } from './map-name.js'
import type { Recipe } from './recipe.js'

export interface PortSet {
  /** The name of the port maps that belong to it. */
  readonly id: string
  /** What people call the game. */
  readonly title: string
  readonly guestPorts: GuestPorts
  /** Whether the game accepts another address than 127.0.0.1. */
  readonly byAddress: boolean
}

/**
 * The set that a port map of a client belongs to.
 * @param name what the map is called
 * @param guestPorts what the ticket says, which goes before the recipe
 * @param recipe that of the map's game, if it is known here
 * @returns undefined where every port can have any number
 */
export function portSetOf(
  name: string | undefined,
  guestPorts: GuestPorts | undefined,
  recipe: Recipe | undefined
): PortSet | undefined {
  const needs = guestPorts ?? recipe?.guestPorts
  if (needs === undefined) return undefined
  return {
    id: name ?? '',
    title: partsOf(name ?? '').own || (recipe?.name ?? name ?? 'the server'),
    guestPorts: needs,
    byAddress: recipe === undefined || /\{(address|host)\b/.test(recipe.guest)
  }
}
