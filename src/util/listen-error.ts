import net from 'node:net'
import { codeOf, HyperNatError } from '../errors.js'

/** Ports below are for the system's own services, on most systems. Windows sets ranges of others aside, for virtual machines above all. */
export const FIRST_OPEN_PORT = 1024

/**
 * Why a port of this computer could not be had, in our words.
 * @param host the address to listen on; left out: all
 */
export function listenError(cause: unknown, kind: 'TCP' | 'UDP', port: number, host?: string): HyperNatError {
  if (cause instanceof HyperNatError) return cause
  const code = codeOf(cause)
  const where = placeText(port, host)
  if (code === 'EADDRINUSE') return portInUse(cause, kind, port, host)
  if (code === 'EACCES') {
    const why =
      port < FIRST_OPEN_PORT
        ? `may not be opened by this user: choose one above ${FIRST_OPEN_PORT - 1}`
        : 'is refused by the system, which may have set it aside: choose another port'
    return new HyperNatError('LISTEN_FAILED', `${kind} port ${where} ${why}.`, { cause })
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new HyperNatError(
      'ADDRESS_NOT_HERE',
      `${host} is not an address of this computer: give one that it has, 127.0.0.1 for programs here, or 0.0.0.0 for others on the LAN, too.`,
      { cause }
    )
  }
  return new HyperNatError('LISTEN_FAILED', `${kind} port ${where} could not be opened (${code}).`, { cause })
}

/** @param holder the program that has the port, where that is known */
export function portInUse(
  cause: unknown,
  kind: 'TCP' | 'UDP',
  port: number,
  host?: string,
  holder = 'another program'
): HyperNatError {
  const message = `${kind} port ${placeText(port, host)} is in use by ${holder}: close it, or choose another port.`
  return new HyperNatError('PORT_IN_USE', message, { cause })
}

function placeText(port: number, host: string | undefined): string {
  return host === undefined ? `${port}` : `${net.isIPv6(host) ? `[${host}]` : host}:${port}`
}
