/** The addresses of this machine. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import os from 'node:os'

/** IPv4 addresses, those of loopback too; none where the system does not tell, as on Android. */
export function ownAddresses(): string[] {
  return ipv4().map(({ address }) => address)
}

/** Those that lead outside, with their prefixes. IPv4, since hyperdht has no other; IPv6 ones change for privacy's sake. */
export function outsideAddresses(): string[] {
  return ipv4()
    .filter(({ internal }) => !internal)
    .map(({ cidr, address }) => cidr ?? address)
}

/** The address that packets to an IPv4 address leave from, without sending one; null where no route leads there. */
export async function sourceAddress(host: string): Promise<string | null> {
  const socket = dgram.createSocket('udp4')
  try {
    socket.connect(9, host)
    await once(socket, 'connect')
    return socket.address().address
  } catch {
    return null
  } finally {
    socket.close()
  }
}

function ipv4(): os.NetworkInterfaceInfo[] {
  try {
    return Object.values(os.networkInterfaces()).flatMap(addresses =>
      (addresses ?? []).filter(({ family }) => family === 'IPv4')
    )
  } catch {
    return []
  }
}
