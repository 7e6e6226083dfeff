/** IPv6 addresses as text and as bytes. */
import net from 'node:net'

const BYTES = 16

/**
 * The 16 bytes of an IPv6 address.
 * @param host an address without a zone; anything else is a fault of the caller's
 */
export function ipv6Bytes(host: string): Uint8Array {
  if (!net.isIPv6(host) || host.includes('%')) throw new TypeError(`not an IPv6 address: ${host}`)
  const bytes = new Uint8Array(BYTES)
  const [head = '', tail] = host.split('::')
  const front = groups(head)
  bytes.set(front)
  if (tail === undefined) return bytes
  const back = groups(tail)
  bytes.set(back, BYTES - back.length)
  return bytes
}

/** The bytes of groups of hexadecimal digits; the last one may be an IPv4 address. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** The text of 16 bytes as eight groups, without `::`. */
export function ipv6Groups(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let i = 0; i < BYTES; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16))
  return groups.join(':')
}

/** The text of 16 bytes, as the system writes it. */
export function ipv6Text(bytes: Uint8Array): string {
  return new net.SocketAddress({ address: ipv6Groups(bytes), family: 'ipv6' }).address
}
