/** Which packets a relay forwards: those of UDX and dht-rpc, and nothing that another program would take for its own. */

/** UDX: u8 0xff, u8 version, u8 flags, u8 options, then four u32. */
const UDX_MAGIC = 0xff
const UDX_VERSION = 1
const UDX_HEADER = 20

/** dht-rpc, version 3: u8 type, u8 flags, u16 tid, the IPv4 address and port (little-endian) that it is sent to, .. */
const DHT_REQUEST = 0x03
const DHT_ANSWER = 0x13
const DHT_HEADER = 10
const DHT_HOST = 4
const DHT_PORT = 8

export type PacketKind = 'udx' | 'dht' | 'punch'

/** What a packet is; null for what a relay does not forward. */
export function kindOf(packet: Uint8Array): PacketKind | null {
  const { byteLength } = packet
  switch (packet[0]) {
    case UDX_MAGIC:
      return byteLength >= UDX_HEADER && packet[1] === UDX_VERSION ? 'udx' : null
    case DHT_REQUEST:
    case DHT_ANSWER:
      return byteLength >= DHT_HEADER ? 'dht' : null
    // hyperdht opens NATs with it.
    case 0:
      return byteLength === 1 ? 'punch' : null
    default:
      return null
  }
}

/** Whether a dht-rpc packet names this destination as its own. */
export function isAddressedTo(packet: Buffer, host: number, port: number): boolean {
  return packet.readUInt32BE(DHT_HOST) === host && packet.readUInt16LE(DHT_PORT) === port
}
