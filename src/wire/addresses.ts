/** The body of ADDRESSES: where the sender is reached by IPv6. SPEC.md, "IPv6". */
import { ipv6Bytes, ipv6Text } from '../text/ipv6.js'
import { protocolError, type Reader, type Writer } from './bytes.js'
import { ADDRESS_BYTES, MAX_ADDRESSES } from './constants.js'

/** An IPv6 address and a UDP port. */
export interface Ipv6Address {
  /** In the form of RFC 5952, without a zone. */
  readonly host: string
  readonly port: number
}

export function writeAddresses(writer: Writer, addresses: readonly Ipv6Address[]): Writer {
  writer.varint(addresses.length)
  for (const { host, port } of addresses) writer.bytes(ipv6Bytes(host)).varint(port)
  return writer
}

export function readAddresses(body: Reader): Ipv6Address[] {
  const count = body.varint()
  if (count > MAX_ADDRESSES) throw protocolError('too many addresses')
  const addresses: Ipv6Address[] = []
  for (let i = 0; i < count; i++) {
    const host = ipv6Text(body.bytes(ADDRESS_BYTES))
    const port = body.varint()
    if (port < 1 || port > 65535) throw protocolError('an impossible port')
    addresses.push({ host, port })
  }
  return addresses
}
