/** The network settings of an options file that the page changes. */

import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { codeOf, HyperNatError } from '../errors.js'
import { decodeText } from '../util/decode-text.js'
import { checkOptions } from './check.js'
import { EMPTY, editOptions, removeValue, setValue } from './edit.js'
import { parseOptions, reason } from './file.js'
import { parseJson } from './json.js'
import type { Places } from './places.js'

/** Settings as they stand in the file. */
export interface NetworkSettings {
  /** Public keys and addresses of relays, the preferred first. */
  readonly relays: readonly string[]
  /** Whether the router is asked for a port. */
  readonly portMapping: boolean
  /** Whether servers are searched in the LAN. */
  readonly lan: boolean
  /** Whether sessions may go on over IPv6. */
  readonly ipv6: boolean
}

/** What of a file that has been judged already is of interest. */
const raw = z.object({
  network: z
    .object({
      relay: z.array(z.string()).default([]),
      portMapping: z.boolean().default(true),
      lan: z.boolean().default(true),
      ipv6: z.boolean().default(true)
    })
    .prefault({})
})

/**
 * What the file says, or what holds while there is none.
 * @throws OptionsError `BAD_OPTIONS` for a file with faults; HyperNatError `OPTIONS_UNREADABLE`
 */
export async function networkSettings(path: string): Promise<NetworkSettings> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT') return settingsIn(EMPTY)
    throw new HyperNatError('OPTIONS_UNREADABLE', `cannot read ${path}: ${reason(code)}`, { cause })
  }
  const text = decodeText(bytes)
  parseOptions(text)
  return settingsIn(text)
}

/**
 * Changes what is different.
 * @param given left out: as the file has it by now
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path `relays`; those of `editOptions`
 */
export async function changeNetwork(path: string, given: Partial<NetworkSettings>): Promise<void> {
  return editOptions(
    path,
    before => {
      const now = settingsIn(before)
      const wanted = { ...now, ...given }
      const changes = {
        ...(now.relays.join() !== wanted.relays.join() && {
          relay: wanted.relays.length > 0 ? wanted.relays : undefined
        }),
        ...(now.portMapping !== wanted.portMapping && { portMapping: wanted.portMapping }),
        ...(now.lan !== wanted.lan && { lan: wanted.lan }),
        ...(now.ipv6 !== wanted.ipv6 && { ipv6: wanted.ipv6 })
      }
      const isThere = (parseJson(before) as { network?: unknown }).network !== undefined
      const base = isThere || Object.keys(changes).length === 0 ? before : setValue(before, ['network'], {})
      const text = Object.entries(changes).reduce(
        (rest, [key, value]) =>
          value === undefined ? removeValue(rest, ['network', key]) : setValue(rest, ['network', key], value),
        base
      )
      checkOptions(parseJson(text), places)
      return { text, result: undefined }
    },
    { make: true }
  )
}

function settingsIn(text: string): NetworkSettings {
  const { network } = raw.parse(parseJson(text))
  return { relays: network.relay, portMapping: network.portMapping, lan: network.lan, ipv6: network.ipv6 }
}

const places: Places = {
  field: path => (path[1] === 'relay' ? 'relays' : path.map(String).join('.')),
  entry: index => `schema[${index}]`
}
