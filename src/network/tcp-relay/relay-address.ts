/** The address of a relay by TCP: `wss://host/path`, behind a `#` its token. */
import { HyperNatError } from '../../errors.js'
import type { TcpOptions } from '../../options/entry.js'
import { relayUrlFault, tcpMappingFault } from '../../text/hosts.js'
import { PORT_MAX } from '../../text/ports.js'
import { quote } from '../../text/quote.js'

export interface RelayAddress {
  /** As people write it. */
  readonly text: string
  /** Without the token. */
  readonly url: string
  readonly token: string
}

/** @param text one that `relayUrlFault` finds nothing wrong with */
export function relayAddress(text: string): RelayAddress {
  const url = new URL(text)
  const token = decodeURIComponent(url.hash.slice(1))
  url.hash = ''
  return { text, url: url.href, token }
}

/** The relays that these texts name, each once: options and tickets may write the same one in different ways. */
export function distinctRelays(texts: readonly string[]): RelayAddress[] {
  const all = texts.map(relayAddress)
  return all.filter(
    ({ url, token }, i) => all.findIndex(other => other.url === url && other.token === token) === i
  )
}

/** Checks what programs pass to the library. @throws HyperNatError BAD_OPTIONS */
export function checkTcp({ port, host, address, portMapping }: TcpOptions): void {
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) {
    throw new HyperNatError(
      'BAD_OPTIONS',
      `tcp.port is ${quote(port)}; give a whole number from 1 to ${PORT_MAX}.`
    )
  }
  const fault = address === undefined ? undefined : relayUrlFault(address)
  if (fault) throw new HyperNatError('BAD_OPTIONS', `tcp.address ${fault}.`)
  const unmapped = tcpMappingFault(portMapping, host)
  if (unmapped) throw new HyperNatError('BAD_OPTIONS', `tcp.portMapping ${unmapped}.`)
}
