/** The address of a relay by TCP: `wss://host/path`, behind a `#` its token. */

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
