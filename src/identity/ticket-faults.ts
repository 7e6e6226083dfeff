/** What can be wrong with a ticket. No message holds it, as an invite is a secret. */
import { type ErrorCode, InputError } from '../errors.js'

function fault(code: ErrorCode, what: string): InputError {
  return new InputError(code, 'the ticket', what)
}

export function bad(what: string): InputError {
  return fault('BAD_TICKET', what)
}

export function mistyped(what: string): InputError {
  return fault('TICKET_MISTYPED', `${what}; copy it again`)
}

export function cut(what: string): InputError {
  return fault('TICKET_CUT', `is cut off: ${what}; copy all of it`)
}

export function newer(what: string): InputError {
  return fault('TICKET_VERSION', `${what}, which this hyper-nat does not know; update it`)
}
