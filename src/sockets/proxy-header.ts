/**
 * The header of the PROXY protocol, version 2, which tells a service the client's address on a connection that a proxy makes for
 * them (haproxy's doc/proxy-protocol.txt, section 2.2). No TLVs.
 */
import net from 'node:net'
import b4a from 'b4a'

/** An end of a TCP connection. */
export interface Endpoint {
  /** IPv4, or IPv6 with or without a zone. */
  readonly address: string
  readonly port: number
}

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)

/** Version 2, command PROXY. */
const VERSION_AND_COMMAND = 0x21

/** AF_INET or AF_INET6, and SOCK_STREAM. */
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21

/** The header in front of a connection from `source` to `target`. IPv6 when one of them is; the other is mapped then. */
export function proxyHeader(source: Endpoint, target: Endpoint): Uint8Array {
  const isIPv4 = net.isIPv4(source.address) && net.isIPv4(target.address)
  const bytesOf = isIPv4 ? ipv4Bytes : ipv6Bytes
  const addresses = b4a.concat([bytesOf(source.address), bytesOf(target.address)])
  const length = addresses.byteLength + 4
  return b4a.concat([
    SIGNATURE,
    Uint8Array.of(VERSION_AND_COMMAND, isIPv4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6, ...u16(length)),
    addresses,
    Uint8Array.of(...u16(source.port), ...u16(target.port))
  ])
}

function u16(value: number): [number, number] {
  return [value >> 8, value & 0xff]
}

function ipv4Bytes(address: string): Uint8Array {
  return Uint8Array.from(address.split('.'), Number)
}

function ipv6Bytes(address: string): Uint8Array {
  if (net.isIPv4(address)) return ipv6Bytes(`::ffff:${address}`)
  // An IPv4 address at the end stands for two groups.
  const groups = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const [head = '', tail] = groups.split('::')
  const before = head.split(':').filter(Boolean)
  const after = tail?.split(':').filter(Boolean) ?? []
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Uint8Array.from([...before, ...zeros, ...after].flatMap(group => u16(Number.parseInt(group, 16))))
}
