/** Why a server could not be reached: hyperdht's words turned into ours, one code and one sentence per cause. */
import { type ErrorCode, HyperNatError } from '../errors.js'

/** No node of the DHT answers. */
export const OFFLINE = new HyperNatError(
  'DHT_UNREACHABLE',
  'No node of the network answers: check the internet connection, and that the router or firewall here lets UDP through.'
)

const SENTENCES = {
  SERVER_NOT_FOUND:
    'No server with this public key is on the network: is hyper-nat 2.0 or newer running there, and is the key right?',
  SERVER_NOT_RUNNING:
    'The server was on the network a while ago and does not answer now. It has been stopped or lost its connection, or it is private and you are not invited: ask the host for an invite.',
  SERVER_REFUSED: 'The server refused the connection: ask the host.',
  SERVER_UNREACHABLE:
    'The server was found but no packet gets through to it: turn on UPnP or NAT-PMP in the router at the server, or name a relay on one side (--relay, or Settings on the page).',
  NATS_RANDOM:
    'Both routers use another port for every connection, so that no direct path can be opened: turn on UPnP or NAT-PMP in the router at the server, or name a relay on one side (--relay, or Settings on the page).',
  RELAY_UNREACHABLE:
    'There is no direct path to the server, and the relay does not help: is it running, is it full, does it serve this server?',
  VERSION_MISMATCH: 'The server runs another version of hyper-nat: use the same on both sides.'
} satisfies Partial<Record<ErrorCode, string>>

type DialCode = keyof typeof SENTENCES

/** hyperdht's codes (hyperdht/lib/errors.js) and blind-relay's; any other means that no packet got through. */
const CODES: Readonly<Record<string, DialCode>> = {
  PEER_NOT_FOUND: 'SERVER_NOT_FOUND',
  PEER_CONNECTION_FAILED: 'SERVER_NOT_RUNNING',
  SERVER_ERROR: 'SERVER_REFUSED',
  SERVER_INCOMPATIBLE: 'VERSION_MISMATCH',
  HOLEPUNCH_DOUBLE_RANDOMIZED_NATS: 'NATS_RANDOM',
  RELAY_ABORTED: 'RELAY_UNREACHABLE',
  CHANNEL_CLOSED: 'RELAY_UNREACHABLE',
  CHANNEL_DESTROYED: 'RELAY_UNREACHABLE',
  PAIRING_CANCELLED: 'RELAY_UNREACHABLE',
  // A relay that turns a session away resets it; a server says why.
  ECONNRESET: 'RELAY_UNREACHABLE'
}

/** @param code of the error that hyperdht ended a dial with */
export function dialError(code: string): HyperNatError {
  const ours = Object.hasOwn(CODES, code) ? CODES[code]! : 'SERVER_UNREACHABLE'
  return new HyperNatError(ours, SENTENCES[ours])
}

/** No direct path, and a relay that gives none. */
export const RELAY_FAILED = dialError('RELAY_ABORTED')
