/** Sockets of programs on this computer that accept any peer: TCP sockets that listen, UDP sockets that are not connected. */
import type { BoundSocket } from './bound-socket.js'
import { linuxSockets } from './linux.js'
import { macosSockets } from './macos.js'
import { windowsSockets } from './windows.js'

/**
 * Lists them, as far as this user may see whose they are.
 * @throws Error of the system's own tool, where it is missing or fails
 */
export function boundSockets(): Promise<BoundSocket[]> {
  if (process.platform === 'win32') return windowsSockets()
  return process.platform === 'darwin' ? macosSockets() : linuxSockets()
}
