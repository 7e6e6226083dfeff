/** What port maps may have besides, and which of them can have it. */

import type { Fault } from '../errors.js'
import type { Proto } from '../proto.js'
import { isIPv4Loopback } from '../text/address.js'
import { quote } from '../text/quote.js'

/** As an entry of either mode says it. */
export interface Features {
  /** Where a server's ports are. */
  readonly host?: string | undefined
  readonly playerAddresses?: boolean | undefined
  readonly proxyProtocol?: boolean | undefined
  readonly duplicate?: boolean | undefined
}

type Feature = 'playerAddresses' | 'proxyProtocol' | 'duplicate'

/**
 * What is asked for in vain.
 * @param protos all of the entry's: one that can have it is enough
 * @param place names the place of a feature
 */
export function featureFaults(
  { host, playerAddresses, proxyProtocol, duplicate }: Features,
  protos: readonly Proto[],
  place: (feature: Feature) => string
): Fault[] {
  const faults: Fault[] = []
  if (playerAddresses && host !== undefined && !isIPv4Loopback(host)) {
    const message = `is for programs on this computer, at 127.0.0.1 or localhost, but the host is ${quote(host)}; leave it out, or use proxyProtocol if the program knows it`
    faults.push({ path: place('playerAddresses'), message })
  }
  if (proxyProtocol && !protos.some(proto => proto !== 'udp')) {
    const message = 'is for tcp and tcpudp, and this is udp alone; leave it out'
    faults.push({ path: place('proxyProtocol'), message })
  }
  if (duplicate && !protos.includes('udp')) {
    const message = `is for udp, and this is ${protos.join('+')}; leave it out`
    faults.push({ path: place('duplicate'), message })
  }
  return faults
}
