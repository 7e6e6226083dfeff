/** The addresses of this machine. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { type InterfaceAddress, interfaceAddresses } from '../util/interfaces.js'

/** IPv4 addresses, loopback included; none where the system does not list them, as on Android. */
export function ownAddresses(): string[] {
  return ipv4().map(({ address }) => address)
}

/** Those that are not loopback, with their prefixes. IPv4 only, as hyperdht has no IPv6, whose addresses also change for privacy. */
export function outsideAddresses(): string[] {
  return ipv4()
    .filter(({ internal }) => !internal)
    .map(({ cidr, address }) => cidr ?? address)
}

/** The source address of packets to an address, found without sending one; null without a route. */
export async function sourceAddress(host: string): Promise<string | null> {
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
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

function ipv4(): InterfaceAddress[] {
  return interfaceAddresses().filter(({ family }) => family === 'IPv4')
}
