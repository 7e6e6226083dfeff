/** Access rules of a server: its owner's options, resolved. */

import type { Proto } from '../proto.js'

/** A guest who has a ticket of its own. Its key comes from the server's secret, the first name and the nonce (identity/guest.ts). */
export interface Invite {
  /** The owner's name for the guest. */
  readonly name: string
  /** The name that the guest's key is derived from, if the guest has been renamed since. */
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

/** A guest who is known by a key of their own. */
export interface AllowedKey {
  /** The owner's name for the guest. */
  readonly name?: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

export interface AccessRules {
  /** Whether only the guests named here are admitted; otherwise everybody who knows the server's public key is. */
  readonly private: boolean
  readonly allow: readonly AllowedKey[]
  readonly invites: readonly Invite[]
  /** Keys that are not admitted, even where everybody is; left out: none. */
  readonly block?: readonly AllowedKey[]
  /** Whether guests learn who else is connected; left out: they do not. */
  readonly roster?: true
}

/** The rules of a server without any. */
export const OPEN: AccessRules = { private: false, allow: [], invites: [] }
