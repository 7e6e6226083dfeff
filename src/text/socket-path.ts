/** Sockets that have a path in place of an address and a port: `unix:/run/app.sock`, and pipes of Windows, `\\.\pipe\app`. */

import { quote } from './quote.js'

const UNIX = 'unix:'

const PIPE = '\\\\.\\pipe\\'

/** Bytes of a path at the most: the system's own limit, less the zero at the end. */
const PATH_MAX: Partial<Record<NodeJS.Platform, number>> = { linux: 107 }

/** That of macOS and the BSDs, which is the smallest. */
const SMALLEST_PATH_MAX = 103

/** The mode of a socket file unless another one is given: for its user alone. */
export const SOCKET_MODE = 0o600

/** All permission bits. */
export const SOCKET_MODES = 0o777

const MODE = /^0?[0-7]{3}$/

/** Whether a host is meant as a socket with a path. */
export function isSocketPath(host: string): boolean {
  return socketPath(host) !== undefined
}

/** The path that the system knows the socket by; undefined for an address or a name. */
export function socketPath(host: string): string | undefined {
  if (host.startsWith(UNIX)) return host.slice(UNIX.length)
  return host.toLowerCase().startsWith(PIPE) ? host : undefined
}

/** What is wrong with a socket of this path, as the rest of a sentence; undefined if nothing is. */
export function socketPathFault(
  host: string,
  platform: NodeJS.Platform = process.platform
): string | undefined {
  const shown = quote(host)
  if (!host.startsWith(UNIX)) {
    if (platform !== 'win32') return `is ${shown}, a pipe of Windows; here it is unix:/path/of.sock`
    return host.length > PIPE.length ? undefined : `is ${shown}, which has no name behind ${PIPE}`
  }
  if (platform === 'win32')
    return `is ${shown}; programs of Windows listen on pipes instead, such as ${PIPE}app`
  const path = host.slice(UNIX.length)
  if (!path.startsWith('/')) return `is ${shown}; give the whole path, such as unix:/run/app.sock`
  if (path.endsWith('/') || path.includes('\0')) return `is ${shown}, which is not the path of a file`
  const most = PATH_MAX[platform] ?? SMALLEST_PATH_MAX
  if (Buffer.byteLength(path) <= most) return undefined
  return `is ${shown}; the system takes paths of up to ${most} bytes for a socket`
}

/** The mode of a socket file from its three octal digits, `0660`; undefined for what is none. */
export function socketModeOf(text: string): number | undefined {
  return MODE.test(text) ? Number.parseInt(text, 8) : undefined
}
