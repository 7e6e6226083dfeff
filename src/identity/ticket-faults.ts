/** What can be wrong with a ticket. No message holds it, as an invite is a secret. */
import { type ErrorCode, HyperNatError } from '../errors.js'

function fault(code: ErrorCode, what: string): HyperNatError {
  return new HyperNatError(code, `the ticket ${what}`)
}

export function bad(what: string): HyperNatError {
  return fault('BAD_TICKET', what)
}

export function mistyped(what: string): HyperNatError {
  return fault('TICKET_MISTYPED', `${what}; copy it again`)
}

export function cut(what: string): HyperNatError {
  return fault('TICKET_CUT', `is cut off: ${what}; copy all of it`)
}

export function newer(what: string): HyperNatError {
  return fault('TICKET_VERSION', `${what}, which this hyper-nat does not know; update it`)
}
