import { HyperNatError } from '../../../src/errors.js'

/** For `assert.throws`: the one error that a decoder may throw. */
export function isProtocolError(err: unknown): boolean {
  return err instanceof HyperNatError && err.code === 'PROTOCOL_ERROR'
}
