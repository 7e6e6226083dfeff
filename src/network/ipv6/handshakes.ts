/**
 * IPv6 without a session: both sides of hyperdht's handshake, which goes through nodes of the DHT, name their IPv6 addresses in it, in
 * a field that hyperdht leaves empty. Where no packets pass by IPv4, the search for a path begins from there.
 */
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import { ipv6Bytes, ipv6Groups, ipv6Text } from '../../text/ipv6.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import { deriveKey } from './derive.js'

/** Addresses in a handshake at the most: its packet has to fit with what hyperdht puts there. */
const TOLD = 2

const KEY_CONTEXT = b4a.from('hyper-nat/2/ipv6/handshake')

/** A handshake that is complete, with a peer that has named IPv6 addresses. */
export interface CompleteHandshake {
  /** As the keys that seal datagrams are used in a session. */
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  readonly remoteKey: Uint8Array
  /** Names the handshake, on both sides. */
  readonly hash: Uint8Array
  readonly addresses: readonly Ipv6Address[]
}

/**
 * Makes a handshake name addresses, and calls `oncomplete` when it is complete and both sides have named some.
 * @param own where this machine is reached by IPv6
 */
export function nameIpv6(
  handshake: HyperDHT.Handshake,
  own: () => readonly Ipv6Address[],
  oncomplete: (complete: CompleteHandshake) => void
): HyperDHT.Handshake {
  const recv = handshake.recv.bind(handshake)
  const send = handshake.send.bind(handshake)
  const final = handshake.final.bind(handshake)
  let theirs: readonly Ipv6Address[] = []
  let told = false
  handshake.recv = noise => {
    const said = recv(noise)
    theirs = (said.addresses6 ?? []).slice(0, TOLD).map(({ host, port }) => ({ host: canonical(host), port }))
    return said
  }
  handshake.send = payload => {
    const addresses6 = payload.error === 0 ? own().slice(0, TOLD) : []
    told = addresses6.length > 0
    return send({ ...payload, addresses6: addresses6.map(({ host, port }) => ({ host: whole(host), port })) })
  }
  handshake.final = () => {
    const keys = final()
    if (told && theirs.length > 0) {
      oncomplete({
        sendKey: deriveKey(KEY_CONTEXT, keys.tx),
        receiveKey: deriveKey(KEY_CONTEXT, keys.rx),
        remoteKey: b4a.from(keys.remotePublicKey),
        hash: b4a.from(keys.hash),
        addresses: theirs
      })
    }
    return keys
  }
  return handshake
}

function canonical(host: string): string {
  return ipv6Text(ipv6Bytes(host))
}

/** An address without `::`, of which compact-encoding-net makes other addresses in some places. */
function whole(host: string): string {
  return ipv6Groups(ipv6Bytes(host))
}
