/** `npm test -- --quick` sets this: fewer random cases and seeds of each kind, and fewer rows of a table. No kind is left out. */
export const QUICK = process.env.HYPER_NAT_QUICK === '1'

/** So many random cases of a kind; in a quick run a part of them. */
export function cases(count: number): number {
  return QUICK ? Math.ceil(count / 8) : count
}

/** The seeds of a scene; in a quick run the first. */
export function seeds(first: number, ...more: readonly number[]): readonly number[] {
  return QUICK ? [first] : [first, ...more]
}
