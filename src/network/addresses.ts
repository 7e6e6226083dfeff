/** The addresses of this machine. */
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

function ipv4(): os.NetworkInterfaceInfo[] {
  try {
    return Object.values(os.networkInterfaces()).flatMap(addresses =>
      (addresses ?? []).filter(({ family }) => family === 'IPv4')
    )
  } catch {
    return []
  }
}
