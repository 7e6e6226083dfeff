import { codeOf, HyperNatError } from '../errors.js'

/** Why a UDP port could not be had, in our words. */
export function listenError(cause: unknown, port: number): HyperNatError {
  if (cause instanceof HyperNatError) return cause
  const code = codeOf(cause)
  return code === 'EADDRINUSE'
    ? new HyperNatError('PORT_IN_USE', `UDP port ${port} is in use by another program: choose another one.`, {
        cause
      })
    : new HyperNatError('LISTEN_FAILED', `Cannot listen on UDP port ${port} (${code}).`, { cause })
}
