/** What `HyperNat.share` takes and gives. */
import type { Lobby } from '../games/lobby.js'
import type { Invite } from '../identity/access-rules.js'
import type { Secret } from '../identity/secret.js'
import type { GuestPorts } from '../identity/ticket.js'
import type { ServerFeatures } from '../options/features.js'
import type { Proto } from '../proto.js'
import type { DatagramFlow, FlowRemote, FlowStream } from '../sockets/flow-stream.js'

/** A port map to share. */
export interface MapToShare extends ServerFeatures {
  proto: Proto
  /** 1 to 65535: what clients ask for, and the target's port. */
  port: number
  /** The target's host; this machine if left out. */
  host?: string
  /** What its owner calls it; the ticket tells it to friends. */
  name?: string
  /** How the guests' games find it (`lobbyOf` makes it of a recipe); left out: not in their LAN lists. */
  lobby?: Lobby
  /** What the program needs of the ports at guests, the same for all maps of one name: the ticket tells it. */
  guestPorts?: GuestPorts
}

/**
 * A port map whose target is this process itself: TCP flows come as streams, UDP flows as objects that send and receive. A handler that
 * throws, or rejects, resets its flow.
 */
export type MapToHandle = Pick<MapToShare, 'port' | 'name' | 'guestPorts' | 'duplicate'> &
  (
    | {
        proto: 'tcp' | 'tcpudp'
        /** A guest has opened a connection. */
        onconnection: (stream: FlowStream, guest: FlowRemote) => unknown
      }
    | {
        proto: 'udp'
        /** A guest has begun a UDP flow; its first payload comes as a `message` after this call. */
        onflow: (flow: DatagramFlow, guest: FlowRemote) => unknown
      }
  )

/** Who may come in to a server; what is left out is as in {@link OPEN}. */
export interface AccessOptions {
  /** Whether only those named here come in; otherwise everybody who knows the server's public key does. */
  private?: boolean | undefined
  /** Keys of people (`hyper-nat id` shows theirs), as text or 32 bytes, or with a name for events and logs. */
  allow?:
    | readonly (string | Uint8Array | { name?: string | undefined; publicKey: string | Uint8Array })[]
    | undefined
  /** Keys that do not come in, even where everybody else does. */
  block?: AccessOptions['allow']
  /** Whether guests learn who else is connected; left out: they do not. */
  roster?: boolean | undefined
  /** Guests with tickets of their own: what {@link ServerHandle.invite} gave, kept from one run to the next. */
  invites?: readonly Invite[] | undefined
}

/** What is shared under one secret, and with whom. */
export type WhatToShare = {
  secret: string | Secret
  maps: readonly (MapToShare | MapToHandle)[]
  /**
   * Keys, as text or 32 bytes, of guests who were let in during an earlier run. Those who are not any more get no answer from a private
   * server; for a while after the start these are told that they are not.
   */
  former?: readonly (string | Uint8Array)[] | undefined
  /** Gives up while the server is not announced yet: `share` rejects with its reason once its secret can be shared again. */
  signal?: AbortSignal | undefined
} & AccessOptions

/** What `HyperNat.share` gives. */
export interface ServerHandle {
  /** The server's public key, in base58. */
  readonly publicKey: string
  /** The ticket to give to friends; undefined when the maps do not fit into one (a `warning` event says why). */
  readonly ticket: string | undefined
  /**
   * Replaces the port maps; clients learn of it at once. Connections through maps that are gone, or that lead to another host, are
   * reset; the others continue.
   * @throws HyperNatError BAD_OPTIONS, as `HyperNat.share` does, CLOSED; nothing changes then
   */
  setMaps(maps: readonly (MapToShare | MapToHandle)[]): void
  /**
   * Replaces the access rules; a rule that is left out is removed. Ends the sessions of guests who are no longer admitted, and of
   * those whose port maps change.
   * @throws HyperNatError BAD_PUBLIC_KEY for a key in `allow`, BAD_OPTIONS, CLOSED; nothing changes then
   */
  update(access: AccessOptions): void
  /**
   * Admits one more guest, from now on.
   * @param guest.name a name that no other guest has
   * @returns the guest's ticket, which is a secret, and the invite, which is not: pass it to `share` next time
   * @throws HyperNatError NAME_TAKEN, TICKET_TOO_LONG, BAD_OPTIONS, CLOSED
   */
  invite(guest: Omit<Invite, 'nonce'>): { readonly invite: Invite; readonly ticket: string }
  /**
   * Revokes an invite, or the permission of a key, by its name, and ends the sessions of that guest at once. If the server is not
   * private, anyone with its public key can join again, without a name.
   * @returns whether there was one
   * @throws HyperNatError CLOSED
   */
  revoke(name: string): boolean
  /** Ends all sessions and unannounces the server. */
  close(): Promise<void>
  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
