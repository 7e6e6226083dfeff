/**
 * Our table of numbers: every buffer, table, timer and retry that is ours to choose. What both ends must agree on is in
 * the other table, `session/wire.ts`. Times are milliseconds, sizes bytes, unless a name says otherwise.
 */
export interface Limits {
  /** Seconds without a datagram either way until a UDP flow is forgotten (options: `udpIdle`). */
  udpIdleSeconds: number
  /** UDP flows per session; beyond it the one idle longest makes room. */
  udpFlows: number
  /** TCP flows per session; beyond it a new one is reset. */
  tcpFlows: number
  /** Sessions per server key; beyond it a new client is turned away. */
  sessions: number
  /** Seconds that a session waits for its client to come back before its flows are reset (options: `resume`). */
  resumeSeconds: number
}

export const LIMITS: Limits = {
  udpIdleSeconds: 300,
  udpFlows: 1024,
  tcpFlows: 1024,
  sessions: 256,
  resumeSeconds: 60
}
