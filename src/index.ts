/** hyper-nat as a library: share ports under a secret, open ports to a public key. */
export type { AccessRules, AllowedKey, Invite } from './access/rules.js'
export { Daemon } from './daemon.js'
export { codeOf, type ErrorCode, type Fault, HyperNatError, OptionsError } from './errors.js'
export type { ClientMapInfo, DaemonEvent, PathKind, ServerMapInfo, ServiceEvent } from './events.js'
export {
  type AccessOptions,
  HyperNat,
  type HyperNatOptions,
  type MapToOpen,
  type MapToShare,
  type Opened,
  type Shared
} from './hyper-nat.js'
export { decodeKey, encodeKey } from './identity/encoding.js'
export { GuestKey } from './identity/guest.js'
export { type KeyPair, keyPairOf, randomSecret } from './identity/keys.js'
export { Secret } from './identity/secret.js'
export { inviteTicket, serverTicket } from './identity/server-ticket.js'
export { decodeTicket, encodeTicket, type Ticket, type TicketMap, ticketName } from './identity/ticket.js'
export { LIMITS, type Limits, RELAY_LIMITS, type RelayLimits } from './limits.js'
export { BootstrapNodes, type BootstrapOptions } from './network/bootstrap.js'
export type { PortMappingState } from './network/port-mapping.js'
export { Relay, type RelayOptions } from './network/relay.js'
export { addEntries, type RawEntry, saveEntries } from './options/edit.js'
export type { ClientEntry, Entry, NetworkOptions, Options, Proto, ServerEntry } from './options/entry.js'
export { addInvite, type InviteRequest, removeGuest } from './options/guests.js'
export { defaultIdentityFile, loadIdentity } from './options/identity-file.js'
export { type JoinFlags, joinEntries, joinOptions } from './options/join.js'
