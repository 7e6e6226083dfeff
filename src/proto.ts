/** How a port map's traffic is carried. */
export type Proto = 'tcp' | 'udp' | 'tcpudp'
