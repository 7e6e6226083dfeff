/** Forwards in one word each, as `hyper-nat client 8022:bob:22` takes them: a local port, a server, and the port there. */

import { type Fault, OptionsError } from '../errors.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { LOCALHOST } from '../text/address.js'
import { quote } from '../text/quote.js'
import { checkOptions } from './check.js'
import type { RawEntry } from './edit.js'
import type { Options } from './entry.js'
import { serverNamed } from './friends.js'
import { type NetworkFlags, networkPlaces, withNetwork } from './network-flags.js'

/** `[host:]port:server:port[/proto]`; a host of IPv6 is in brackets. */
const FORWARD = /^(?:(\[[^\]]+\]|[^:]+):)?(\d+):([^:]+):(\d+)(?:\/([a-z+]+))?$/i

/** `unix:/path:server:port[/proto]`, and the same with a pipe of Windows. */
const FROM_SOCKET = /^(unix:[^:]+|\\\\[^:]+)():([^:]+):(\d+)(?:\/([a-z+]+))?$/i

/**
 * Options of a client with these forwards.
 * @param localHost where to listen, for those that do not say it
 * @throws HyperNatError a code of `decodeTicket`, and what `serverNamed` throws
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path the forward
 */
export async function forwardOptions(
  forwards: readonly string[],
  flags: NetworkFlags & { readonly localHost?: string | undefined }
): Promise<Options> {
  const faults: Fault[] = []
  const schema: RawEntry[] = []
  for (const text of forwards) {
    const parts = FROM_SOCKET.exec(text) ?? FORWARD.exec(text)
    const [, host, localPort, server = '', port, proto = 'tcp'] = parts ?? []
    if (!parts) {
      const message =
        'is not a forward; write LOCALPORT:SERVER:PORT, 8022:bob:22 for example, with /udp behind it for UDP'
      faults.push({ path: quote(text), message })
      continue
    }
    const named = await serverNamed(server)
    const localHost = hostOf(host) ?? flags.localHost
    schema.push({
      mode: 'client',
      proto: proto.toLowerCase(),
      port,
      ...(localPort !== '' && { localPort }),
      ...(localHost !== undefined && { localHost }),
      ...(looksLikeTicket(named) ? { ticket: named } : { publicKey: named })
    })
  }
  if (faults.length > 0) throw new OptionsError(faults)
  const entry = (index: number): string => quote(forwards[index] ?? '')
  const field = (path: readonly PropertyKey[]): string =>
    path[0] === 'schema' && typeof path[1] === 'number' ? entry(path[1]) : String(path.at(-1))
  const places = networkPlaces({ field, entry }, flags)
  return checkOptions(withNetwork({ schema }, flags), places)
}

/** As natter has it, `local` is this computer alone. */
function hostOf(text: string | undefined): string | undefined {
  return text === 'local' ? LOCALHOST : text?.replace(/^\[|\]$/g, '')
}
