/** How a port map's traffic is carried. */
export type Proto = 'tcp' | 'udp' | 'tcpudp'

/** Every protocol, in the order in which help lists them. */
export const PROTOS: readonly Proto[] = ['udp', 'tcp', 'tcpudp']

/** What carries it at a local port: programs speak TCP to a `tcpudp` map. */
export function transportOf(proto: Proto): 'tcp' | 'udp' {
  return proto === 'udp' ? 'udp' : 'tcp'
}

export function isProto(word: string): word is Proto {
  return (PROTOS as readonly string[]).includes(word)
}
