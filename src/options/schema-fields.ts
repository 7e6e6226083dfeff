/** Kinds of values that keys of options.json have in common, in zod, and the message for a fault of each. */
import * as z from 'zod'
import { InputError } from '../errors.js'
import { decodeKey } from '../identity/encoding.js'
import { hostFault } from '../text/hosts.js'
import { PORT_MAX, PORTS_PATTERN, parsePorts } from '../text/ports.js'
import { quote } from '../text/quote.js'
import { isSocketPath, socketPathFault } from '../text/socket-path.js'
import { PROTOS_PATTERN, parseProtos } from './protos.js'

/** Where things are when nobody says otherwise: this machine. */
const THIS_MACHINE = '127.0.0.1'

/** A zod error function from what is wrong with the value. */
export function says(fault: (value: unknown) => string): { error: (issue: { input?: unknown }) => string } {
  return { error: issue => fault(issue.input) }
}

/** The message for a value that is not text at all; never shows a secret. */
export function notText(what: string, show = true): ReturnType<typeof says> {
  return says(value => {
    if (value === undefined) return `is missing; ${what}`
    return `is ${show ? quote(value) : typeof value}, not text in quotes; ${what}`
  })
}

/** Ports as people write them: a number, a list, a range. */
export function ports(smallest: 0 | 1, description: string) {
  const fault = (value: unknown): string => {
    const result = parsePorts(value, smallest)
    return 'fault' in result ? result.fault : ''
  }
  return z
    .union(
      [
        z.int(says(fault)).min(smallest, says(fault)).max(PORT_MAX, says(fault)),
        z.string().regex(PORTS_PATTERN, says(fault))
      ],
      says(fault)
    )
    .meta({ description, examples: [3000, '3000', '80,443', '27015-27020'] })
    .transform((value, ctx) => {
      const result = parsePorts(value, smallest)
      if ('ports' in result) return result.ports
      ctx.addIssue({ code: 'custom', message: result.fault, input: value })
      return z.NEVER
    })
}

export const PROTO_EXAMPLES = ['udp', 'tcp', 'tcpudp', 'tcp+udp']

/** The protocols of an entry. */
export const protos = z
  .string(notText('a protocol is "udp", "tcp" or "tcpudp"'))
  .regex(
    PROTOS_PATTERN,
    says(value => {
      const result = parseProtos(value)
      return 'fault' in result ? result.fault : ''
    })
  )
  .meta({
    description: 'How the traffic is carried; several for the same port are joined by "+".',
    examples: PROTO_EXAMPLES
  })
  .transform((value, ctx) => {
    const result = parseProtos(value)
    if ('protos' in result) return result.protos
    ctx.addIssue({ code: 'custom', message: result.fault, input: value })
    return z.NEVER
  })

/** An address or a name; this machine if left out. */
export function host(description: string) {
  return place(description, hostFault)
}

/** The same, or a socket with a path. */
export function hostOrSocket(description: string) {
  return place(description, value => (isSocketPath(value) ? socketPathFault(value) : hostFault(value)))
}

function place(description: string, fault: (value: string) => string | undefined) {
  return z
    .string(notText(`an address such as "192.168.1.20", or a name; left out it is ${THIS_MACHINE}`))
    .superRefine((value, ctx) => {
      const message = fault(value)
      if (message) ctx.addIssue({ code: 'custom', message, input: value })
    })
    .meta({ description })
    .prefault(THIS_MACHINE)
}

/** The public key that a text stands for, or a fault of the value. */
export function keyOf(text: string, ctx: z.RefinementCtx): Uint8Array {
  try {
    return decodeKey(text)
  } catch (err) {
    if (!(err instanceof InputError)) throw err
    const message = err.fault
    ctx.addIssue({ code: 'custom', message, input: text })
    return z.NEVER
  }
}

/** A public key. */
export function key(missing: string, description: string) {
  return z.string(notText(missing)).meta({ description }).transform(keyOf)
}

/** A switch that may be left out. */
export function yesOrNo(description: string) {
  return z
    .boolean(says(value => `is ${quote(value)}; give true or false`))
    .meta({ description })
    .optional()
}
