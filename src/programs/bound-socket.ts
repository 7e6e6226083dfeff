/** What the systems tell of sockets and processes. */

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
