/** On its own, since types that programs see must not lead to those of libraries that have none. */
import type { Contact } from './contact.js'
import type { Beyond } from './hops.js'
import type { NatFinding } from './nat.js'
import type { Refusal } from './tcp-relay/refusal.js'

/** The result of a survey. */
export interface Survey {
  /** DHT nodes that were asked, and that answered. */
  readonly asked: number
  readonly answered: number
  /** The median round trip to them, ms; null if none answered. */
  readonly rtt: number | null
  readonly nat: NatFinding
  /** The kind of network beyond the first router; null when there is none, or when it is not known. */
  readonly beyond: Beyond | null
  /** If no node answered: whether their machines are there at all. */
  readonly contact: Contact | null
  /** What is known of relays by TCP; null where UDP works, or none is named. */
  readonly tcp: TcpFinding | null
}

/** Relays by TCP, where UDP gets no answer. */
export interface TcpFinding {
  /** The one through which DHT nodes are asked; null if none leads to the network. */
  readonly used: string | null
  /** Whether a server that is its own relay lets us in. */
  readonly server: boolean
  /** Those that cannot be used, and why. */
  readonly failed: readonly { readonly address: string; readonly why: Refusal }[]
}
