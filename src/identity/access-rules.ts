/** Who may come in to a server: what its owner wrote down, with everything resolved. */

import type { Proto } from '../proto.js'

/** A guest who has a ticket of its own. Its key comes from the server's secret, the first name and the nonce (identity/guest.ts). */
export interface Invite {
  /** What the owner calls the guest. */
  readonly name: string
  /** The name that the guest's key is made of, where the guest has another one since. */
  readonly madeFor?: string
  /** Random, 16 bytes. */
  readonly nonce: Uint8Array
  /** The port maps that the guest may use; left out: all. */
  readonly maps?: readonly { readonly proto: Proto; readonly port: number }[]
  /** When it ends, in milliseconds since 1970; left out: never. */
  readonly expires?: number
  /** Sessions at a time; left out: as many as any key may have ({@link Limits.guestSessions}). */
  readonly maxDevices?: number
  /** When it was made, in milliseconds since 1970; left out: not known. Nobody came in with it before. */
  readonly created?: number
}

/** Somebody who is known by a key of their own. */
export interface AllowedKey {
  /** What the owner calls them. */
  readonly name?: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

export interface AccessRules {
  /** Whether only those named here come in; otherwise everybody who knows the server's public key does. */
  readonly private: boolean
  readonly allow: readonly AllowedKey[]
  readonly invites: readonly Invite[]
}

/** What holds when nothing is said. */
export const OPEN: AccessRules = { private: false, allow: [], invites: [] }
