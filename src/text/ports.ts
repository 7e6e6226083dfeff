/** Port lists: `3000`, `"3000"`, `"80,443"`, `"27015-27020"`, `"3000,3001-3003"`; blanks separate like commas. */

import type { Proto } from '../proto.js'
import { oneOf, quote } from './quote.js'

/** Largest port number. */
export const PORT_MAX = 65_535

/**
 * Ports that one list may name: enough for any game or passive FTP, few enough that a slip of the finger such as
 * `1-65535` does not open a listener on each.
 */
export const PORTS_MAX = 4096

/** What a port list looks like, for editors: it matches whatever {@link parsePorts}, the judge, accepts. */
export const PORTS_PATTERN = /^[\s,]*\d+(\s*-\s*\d+)?([\s,]+\d+(\s*-\s*\d+)?)*[\s,]*$/

/** A parsed list, or everything that is wrong with it as the rest of a sentence. */
export type Ports = { readonly ports: readonly number[] } | { readonly fault: string }

/**
 * Reads a port, a list of ports, ranges, or any mixture, in the order written.
 * @param value a number, or a string as above
 * @param smallest 1, or 0 where 0 stands for any free port (not inside a range)
 */
export function parsePorts(value: unknown, smallest: 0 | 1 = 1): Ports {
  if (typeof value === 'number') {
    return isPort(value, smallest) ? { ports: [value] } : { fault: notPorts([quote(value)], smallest) }
  }
  if (Array.isArray(value)) {
    return { fault: `is a JSON list; write several ports in one string, such as "80,443" or "27015-27020"` }
  }
  if (typeof value !== 'string') {
    return { fault: `is ${value === undefined ? 'missing' : quote(value)}; ${expected(smallest)}` }
  }
  const items = splitPorts(value)
  if (items.length === 0) return { fault: `is empty; ${expected(smallest)}` }
  const ports: number[] = []
  const wrong: string[] = []
  const backwards: string[] = []
  for (const item of items) {
    const range = /^(\d+)-(\d+)$/.exec(item)
    const [first, last] = range ? [Number(range[1]), Number(range[2])] : [Number(item), Number(item)]
    const least = range ? 1 : smallest
    if (!/^\d+(-\d+)?$/.test(item) || !isPort(first, least) || !isPort(last, least)) wrong.push(quote(item))
    else if (first > last) backwards.push(item)
    else for (let port = first; port <= last && ports.length <= PORTS_MAX; port++) ports.push(port)
  }
  const faults: string[] = []
  if (wrong.length > 0) faults.push(notPorts(wrong, smallest))
  for (const item of backwards) {
    faults.push(`has the range ${item}, which runs backwards; write ${item.replace(/(\d+)-(\d+)/, '$2-$1')}`)
  }
  if (faults.length > 0) return { fault: faults.join('; ') }
  return ports.length > PORTS_MAX
    ? { fault: `names more than ${PORTS_MAX} ports, the most for one list` }
    : { ports }
}

/** The items of a list as written, ranges in one piece: `"80, 90 - 92"` gives `["80", "90-92"]`. */
export function splitPorts(text: string): string[] {
  return text
    .replace(/\s*-\s*/g, '-')
    .split(/[\s,]+/)
    .filter(item => item !== '')
}

/** The opposite of {@link parsePorts}: runs of neighbours become ranges, in the order given. */
export function formatPorts(ports: readonly number[]): string {
  const runs: [first: number, last: number][] = []
  for (const port of ports) {
    const run = runs.at(-1)
    if (run && port === run[1] + 1 && run[0] !== 0) run[1] = port
    else runs.push([port, port])
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/** `port 80`, or `ports 80-90`. */
export function portsText(ports: readonly number[]): string {
  return `port${ports.length > 1 ? 's' : ''} ${formatPorts(ports)}`
}

/** `tcp 80,8000-8010, udp 53`. */
export function mapsText(maps: readonly { readonly proto: Proto; readonly port: number }[]): string {
  const protos = [...new Set(maps.map(({ proto }) => proto))]
  return protos
    .map(proto => `${proto} ${formatPorts(maps.filter(map => map.proto === proto).map(({ port }) => port))}`)
    .join(', ')
}

function isPort(port: number, least: 0 | 1): boolean {
  return Number.isInteger(port) && port >= least && port <= PORT_MAX
}

function notPorts(shown: readonly string[], smallest: 0 | 1): string {
  const few = shown.slice(0, 5).join(', ') + (shown.length > 5 ? ', ..' : '')
  return `has ${few}, which ${shown.length === 1 ? 'is not a port' : 'are not ports'}; ${expected(smallest)}`
}

function expected(smallest: 0 | 1): string {
  const any = smallest === 0 ? ', 0 for any free one' : ''
  return `a port is ${oneOf([`a whole number from 1 to ${PORT_MAX}${any}`, 'a list such as "80,443"', 'a range such as "27015-27020"'])}`
}
