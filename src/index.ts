/** hyper-nat as a library: share ports under a secret, open ports to a public key. */

export { type FriendPresence, type FriendSeeker, friendsPresence } from './client/friends.js'
export type {
  ClientHandle,
  Connection,
  ConnectionEvents,
  ConnectOptions,
  MapToOpen,
  StreamOptions
} from './client/handle.js'
export type { PingAnswer, PingOptions, PingSummary } from './client/ping.js'
export type { ControlDatagrams, ControlStream } from './control/blocks.js'
export { ControlClient, type DaemonChoice, type FoundDaemon, findDaemons } from './control/client.js'
export type { ControlSetting, Machine } from './control/place.js'
export type {
  CommandName,
  DaemonStatus,
  JournalLine,
  PageLinks,
  Place as ControlPlace,
  Reloaded,
  Results,
  Who
} from './control/wire.js'
export { Daemon } from './daemon.js'
export type { DatagramCounts, DatagramLoss } from './datagrams/datagrams.js'
export { type DiagnoseOptions, diagnose } from './doctor/diagnose.js'
export type { SharedTarget } from './doctor/local-checks.js'
export type {
  Check,
  CheckName,
  ClockFinding,
  Diagnosis,
  HostFinding,
  PortMappingFinding,
  ServerFinding,
  Side,
  Verdict,
  VersionFinding
} from './doctor/report.js'
export { codeOf, type ErrorCode, type Fault, HyperNatError, OptionsError } from './errors.js'
export type {
  ClientMapInfo,
  ConnectionInfo,
  DaemonEvent,
  MapChange,
  PathKind,
  Quality,
  ServerMapInfo,
  ServiceEvent,
  SharedMapInfo,
  TargetState
} from './events.js'
export type { Announces, Discovery, Queries } from './games/discovery.js'
export { Games, knownGames } from './games/games.js'
export { type Lobby, lobbyOf } from './games/lobby.js'
export { mapName } from './games/map-name.js'
export { type PortSet, portSetOf } from './games/port-set.js'
export { type GamePort, type GamePorts, portsOfGame, type Recipe } from './games/recipe.js'
export { HyperNat, type HyperNatOptions } from './hyper-nat.js'
export type { AccessRules, AllowedKey, Invite } from './identity/access-rules.js'
export { decodeKey, encodeKey } from './identity/encoding.js'
export { GuestKey } from './identity/guest.js'
export { type KeyPair, keyPairOf, randomSecret } from './identity/keys.js'
export { Secret } from './identity/secret.js'
export { inviteTicket, serverTicket, type TicketContents } from './identity/server-ticket.js'
export {
  decodeTicket,
  encodeTicket,
  type GuestPorts,
  type Ticket,
  type TicketMap,
  ticketName
} from './identity/ticket.js'
export {
  CONTROL_LIMITS,
  type ControlLimits,
  DOCTOR_LIMITS,
  type DoctorLimits,
  LIMITS,
  type Limits,
  type MetricsLimits,
  RELAY_LIMITS,
  type RelayLimits,
  type TcpRelayLimits,
  UI_LIMITS,
  type UiLimits
} from './limits.js'
export { Journal } from './log/journal.js'
export type { Log, LogLevel } from './log/log.js'
export { type MetricsPage, type MetricsServer, serveMetrics } from './metrics/server.js'
export { BootstrapNodes, type BootstrapOptions } from './network/bootstrap.js'
export type { Contact } from './network/contact.js'
export type { Beyond } from './network/hops.js'
export type { NatFinding, NatKind, Unknown as NatUnknown } from './network/nat.js'
export type { PortMappingState } from './network/port-mapping.js'
export { Relay, type RelayOptions } from './network/relay.js'
export type { NetworkStatus } from './network/status.js'
export type { Survey, TcpFinding } from './network/survey-finding.js'
export { addEntries, type RawEntry, saveEntries } from './options/edit.js'
export { removeClient, removeServer, setPrivate } from './options/entries.js'
export type {
  ClientEntry,
  Entry,
  LogFileOptions,
  MetricsPlace,
  NetworkOptions,
  Options,
  OptionsSource,
  RelayName,
  ServerEntry,
  TcpOptions,
  Warning
} from './options/entry.js'
export type { ServerFeatures } from './options/features.js'
export { addFriend, type Friend, readFriends, removeFriend, renameFriend } from './options/friends.js'
export {
  addInvite,
  type Invited,
  type InviteRequest,
  removeGuest,
  renameGuest,
  type ServerInFile
} from './options/guests.js'
export { defaultIdentityFile, loadIdentity } from './options/identity-file.js'
export { type JoinFlags, joinEntries, joinOptions } from './options/join.js'
export type { Proto } from './proto.js'
export type { AccessOptions, MapToHandle, MapToShare, ServerHandle, WhatToShare } from './server/handle.js'
export type { MapTally, Tally } from './session/traffic.js'
export {
  DatagramFlow,
  type DatagramFlowEvents,
  type DatagramOptions,
  type FlowRemote,
  FlowStream,
  type FlowStreamOptions
} from './sockets/flow-stream.js'
export {
  type ClientStatus,
  type DisconnectedStatus,
  type MapStatus,
  type Overall,
  type Rates,
  type ServerStatus,
  type SessionStatus,
  type Status,
  type TargetInfo,
  withRates
} from './status.js'
export type { Trace } from './util/trace.js'
