/**
 * Every error code, one per cause, with the exit code of a command that ends with it: 2 where what the user gave cannot be used
 * and nothing was started, 1 for the rest. Code matches {@link HyperNatError.code}, never message text. A message is one sentence
 * for a person: what happened, then what to do.
 */
const EXIT_CODES = {
  // Options and command line
  BAD_OPTIONS: 2,
  BAD_USAGE: 2,
  OPTIONS_NOT_FOUND: 2,
  OPTIONS_UNREADABLE: 2,
  BAD_PUBLIC_KEY: 2,
  BAD_SECRET: 2,
  BAD_TICKET: 2,
  TICKET_MISTYPED: 2,
  TICKET_CUT: 2,
  TICKET_VERSION: 2,
  TICKET_TOO_LONG: 2,
  IDENTITY_EXPOSED: 2,
  IDENTITY_UNUSABLE: 2,
  OPTIONS_BUSY: 2,
  NAME_TAKEN: 1,
  UNSUPPORTED: 2,
  UNKNOWN_GAME: 2,
  GAME_UNPLAYABLE: 2,
  BAD_RECIPE: 2,
  NO_SUCH_PROGRAM: 1,
  PROGRAM_FOREIGN: 1,
  NO_PORTS: 1,
  // The page: a request that is not allowed
  REFUSED: 1,
  // This computer
  PORT_IN_USE: 1,
  SOCKET_IN_USE: 1,
  LISTEN_FAILED: 1,
  CERTIFICATE_UNUSABLE: 1,
  BAD_PROXY: 1,
  ADDRESS_NOT_HERE: 1,
  DHT_UNREACHABLE: 1,
  CLOSED: 1,
  LIBRARY_MISMATCH: 1,
  TOO_FEW_DESCRIPTORS: 1,
  SERVICE_FAILED: 1,
  NO_OPTIONS_FILE: 1,
  NO_PAGE: 1,
  // Controlling a running daemon
  NOT_RUNNING: 1,
  NO_SESSION: 1,
  SEVERAL_DAEMONS: 2,
  CONTROL_FAILED: 1,
  UNKNOWN_COMMAND: 1,
  BAD_REQUEST: 1,
  TOO_MANY_CONNECTIONS: 1,
  // Reaching the server
  SERVER_NOT_FOUND: 1,
  SERVER_NOT_RUNNING: 1,
  SERVER_REFUSED: 1,
  NOT_INVITED: 1,
  INVITE_EXPIRED: 1,
  TOO_MANY_DEVICES: 1,
  ACCESS_CHANGED: 1,
  SERVER_UNREACHABLE: 1,
  NATS_RANDOM: 1,
  RELAY_UNREACHABLE: 1,
  CONNECTION_LOST: 1,
  SESSION_EXPIRED: 1,
  GOODBYE: 1,
  // What the peer sent
  WRONG_KEY: 1,
  VERSION_MISMATCH: 1,
  PROTOCOL_ERROR: 1,
  TOO_MANY_SESSIONS: 1,
  TOO_MANY_FLOWS: 1,
  HANDSHAKE_TIMEOUT: 1,
  TOO_FAST: 1,
  // One flow
  MAP_NOT_SHARED: 1,
  TARGET_REFUSED: 1,
  TARGET_UNREACHABLE: 1,
  TARGET_TIMEOUT: 1,
  FLOW_RESET: 1,
  INTERNAL: 1
} as const satisfies Record<string, 1 | 2>

export type ErrorCode = keyof typeof EXIT_CODES

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

/** An error in the options, and its place there. */
export interface Fault {
  /** Place in the options, as a person writes it: `schema[2].port`, or a flag: `--protocol`. */
  readonly path: string
  /** What is wrong and what would be right. */
  readonly message: string
  /** The cause, where it has a code of its own. */
  readonly code?: ErrorCode
}

/** An error in one thing that was given. Its message is the subject and the fault, which lists show behind a path instead. */
export class InputError extends HyperNatError {
  /** @param fault the predicate of the sentence: `is empty` */
  constructor(
    code: ErrorCode,
    subject: string,
    readonly fault: string
  ) {
    super(code, `${subject} ${fault}`)
    this.name = 'InputError'
  }
}

/** Options that cannot be used, with every fault found. */
export class OptionsError extends HyperNatError {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[], code: 'BAD_OPTIONS' | 'BAD_USAGE' = 'BAD_OPTIONS') {
    super(code, faults.map(faultText).join('\n'))
    this.name = 'OptionsError'
    this.faults = faults
  }
}

/** The exit code of a command that ends with this error. */
export function exitCodeOf({ code }: HyperNatError): 1 | 2 {
  return EXIT_CODES[code]
}

/** The message of any thrown value in one line: faults are separated by semicolons. */
export function oneLine(err: unknown): string {
  if (err instanceof OptionsError) return err.faults.map(faultText).join('; ')
  return err instanceof Error ? err.message : String(err)
}

function faultText({ path, message }: Fault): string {
  return path ? `${path}: ${message}` : message
}

/** Describes a thrown value that is a bug of ours: one line, with where it came from. */
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
