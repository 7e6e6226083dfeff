/** Flags that take one number, and numbers that are shown. */

import type { Fault } from '../errors.js'
import { quote } from '../text/quote.js'
import { type Arguments, text } from './command.js'

/** The number of a flag, undefined if it is not given or wrong; what is wrong is added to `faults`. */
export function number(
  args: Arguments,
  name: string,
  range: { readonly min: number; readonly max: number; readonly whole?: boolean },
  faults: Fault[]
): number | undefined {
  const given = text(args, name)
  if (given === undefined) return undefined
  const { min, max, whole = true } = range
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value
  const what = whole ? 'a whole number' : 'a number'
  faults.push({ path: `--${name}`, message: `is ${quote(given)}; give ${what} from ${min} to ${max}` })
  return undefined
}

/** For JSON.stringify: measured numbers with two digits behind the point, which is more than they are good for. */
export function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : value
}
