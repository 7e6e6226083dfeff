/** How recipes write ids, ranges of ports, and the places in their lines that are filled in. */

/** Long enough for every name, and with room for the owner's own words in a ticket. */
export const ID_MAX = 32

/** What a recipe is called. */
export const ID_PATTERN = /^[a-z0-9]+(-[a-z0-9]+)*$/

/** The numbers of a port of a recipe: one, or a range. */
export function numbersOf({ port }: { readonly port: number | string }): number[] {
  if (typeof port === 'number') return [port]
  const [first, last] = port.split('-').map(Number) as [number, number]
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** `{host}`, `{port}` and `{address}` of the game; `{port:27016}` and `{address:27016}` of another port of its recipe. */
export const PLACE = /\{(host|port|address)(?::(\d+))?\}/g
