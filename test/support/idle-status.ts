import type { Status } from '../../src/status.js'

/** What a node that does nothing says of itself. */
export function idleStatus(): Status {
  return {
    at: Date.now(),
    since: 0,
    version: '2.0.0',
    servers: [],
    clients: [],
    network: {
      nodes: 0,
      bootstrapped: false,
      port: 0,
      publicAddress: null,
      publicPort: null,
      nat: 'unknown',
      portMapping: { state: 'off' },
      tcpPortMapping: { state: 'off' },
      tcpRelay: null
    }
  }
}
