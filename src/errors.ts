/**
 * Every way in which hyper-nat fails, one code per cause. Code never matches message text: it matches
 * {@link HyperNatError.code}. A message is one sentence that tells a person what happened and what to do.
 */
export type ErrorCode =
  // Options and command line (exit code 2)
  | 'BAD_OPTIONS'
  | 'BAD_USAGE'
  | 'OPTIONS_NOT_FOUND'
  | 'OPTIONS_UNREADABLE'
  | 'BAD_PUBLIC_KEY'
  | 'BAD_SECRET'
  | 'BAD_TICKET'
  | 'TICKET_MISTYPED'
  | 'TICKET_CUT'
  | 'TICKET_VERSION'
  | 'TICKET_TOO_LONG'
  | 'IDENTITY_EXPOSED'
  | 'IDENTITY_UNUSABLE'
  | 'OPTIONS_BUSY'
  | 'NAME_TAKEN'
  | 'UNSUPPORTED'
  | 'UNKNOWN_GAME'
  | 'GAME_UNPLAYABLE'
  | 'BAD_RECIPE'
  | 'NO_SUCH_PROGRAM'
  | 'PROGRAM_FOREIGN'
  | 'NO_PORTS'
  // The page on this computer: whoever asks may not, or not so
  | 'REFUSED'
  // Local machine (exit code 1)
  | 'PORT_IN_USE'
  | 'LISTEN_FAILED'
  | 'CERTIFICATE_UNUSABLE'
  | 'ADDRESS_NOT_HERE'
  | 'DHT_UNREACHABLE'
  | 'CLOSED'
  | 'SERVICE_FAILED'
  | 'NO_OPTIONS_FILE'
  // Controlling a running daemon (exit code 1; SEVERAL_DAEMONS: 2)
  | 'NOT_RUNNING'
  | 'SEVERAL_DAEMONS'
  | 'CONTROL_FAILED'
  | 'UNKNOWN_COMMAND'
  | 'BAD_REQUEST'
  | 'TOO_MANY_CONNECTIONS'
  // Reaching the server
  | 'SERVER_NOT_FOUND'
  | 'SERVER_NOT_RUNNING'
  | 'SERVER_REFUSED'
  | 'NOT_INVITED'
  | 'INVITE_EXPIRED'
  | 'TOO_MANY_DEVICES'
  | 'ACCESS_CHANGED'
  | 'SERVER_UNREACHABLE'
  | 'NATS_RANDOM'
  | 'RELAY_UNREACHABLE'
  | 'CONNECTION_LOST'
  | 'SESSION_EXPIRED'
  | 'GOODBYE'
  // What the peer said, or should not have said
  | 'WRONG_KEY'
  | 'VERSION_MISMATCH'
  | 'PROTOCOL_ERROR'
  | 'TOO_MANY_SESSIONS'
  | 'TOO_MANY_FLOWS'
  | 'HANDSHAKE_TIMEOUT'
  // One flow
  | 'MAP_NOT_SHARED'
  | 'TARGET_REFUSED'
  | 'TARGET_UNREACHABLE'
  | 'TARGET_TIMEOUT'
  | 'FLOW_RESET'
  | 'INTERNAL'

/** An error with a documented cause. */
export class HyperNatError extends Error {
  readonly code: ErrorCode

  /**
   * @param code the documented cause
   * @param message one sentence for a person: what happened and what to do
   */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'HyperNatError'
    this.code = code
  }
}

/** One thing that is wrong with the options, and where it stands. */
export interface Fault {
  /** Place in the options, as a person writes it: `schema[2].port`, or a flag: `--protocol`. */
  readonly path: string
  /** What is wrong and what would be right. */
  readonly message: string
  /** The cause, where it has a code of its own. */
  readonly code?: ErrorCode
}

/** Options that cannot be used; holds every fault found, not just the first. */
export class OptionsError extends HyperNatError {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[], code: 'BAD_OPTIONS' | 'BAD_USAGE' = 'BAD_OPTIONS') {
    super(code, faults.map(f => (f.path ? `${f.path}: ${f.message}` : f.message)).join('\n'))
    this.name = 'OptionsError'
    this.faults = faults
  }
}

/** What a thrown value that is nobody's fault but ours is told as: one line, with where it came from. */
export function mistakeText(err: unknown): string {
  const where =
    err instanceof Error
      ? String(err.stack)
          .split('\n', 4)
          .map(line => line.trim())
      : [codeOf(err)]
  return `A mistake in hyper-nat; please report it: ${where.join(' ')}`
}

/** The code of any thrown value: ours, the system's (`EADDRINUSE`) or `INTERNAL`. */
export function codeOf(err: unknown): string {
  if (err && typeof err === 'object' && 'code' in err && typeof err.code === 'string') return err.code
  return 'INTERNAL'
}
