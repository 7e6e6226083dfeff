/** Sockets of programs on this computer that wait for anybody: TCP sockets that listen, UDP sockets without a partner. */
import { linuxSockets } from './linux.js'
import { macosSockets } from './macos.js'
import { windowsSockets } from './windows.js'

export interface BoundSocket {
  readonly proto: 'tcp' | 'udp'
  /** IPv4 or IPv6; 0.0.0.0 or :: for all. */
  readonly address: string
  readonly port: number
  /** The number of the process. */
  readonly pid: number
  /** What the system calls its program. */
  readonly program: string
}

/** A process, as its system tells of it. */
export interface RunningProcess {
  /** The number of the process that started it. */
  readonly parent: number
  /** What its program is called. */
  readonly name: string
}

/**
 * Lists them, as far as this user may see whose they are.
 * @throws Error of the system's own tool, where it is missing or fails
 */
export function boundSockets(): Promise<BoundSocket[]> {
  if (process.platform === 'win32') return windowsSockets()
  return process.platform === 'darwin' ? macosSockets() : linuxSockets()
}
