import type { NatKind } from './nat.js'
import type { PortMappingState } from './port-mapping.js'

/** This machine's place in the network. */
export interface NetworkStatus {
  /** DHT nodes that are known now; 0: there is no way out. */
  nodes: number
  /** Whether the DHT has been entered. */
  bootstrapped: boolean
  /** The UDP port that this node listens on. */
  port: number
  /** This machine's address as DHT nodes observe it; null while they do not agree. */
  publicAddress: string | null
  /** The port there; null where each peer observes another one, or where it is not known. */
  publicPort: number | null
  /** As far as it shows without asking: `cone` may be `full-cone`. `hyper-nat doctor` asks. */
  nat: NatKind
  portMapping: PortMappingState
  /** That of the TCP port of servers that are their own relay; `off` unless `tcp.portMapping` is true. */
  tcpPortMapping: PortMappingState
  /** The address of the relay that all packets go through by TCP, as UDP is blocked here; null while they go by UDP. */
  tcpRelay: string | null
}
