/** What the doctor found: facts for programs, and checks with a sentence each for people. */
import type { PathKind, SharedMapInfo } from '../events.js'
import type { Beyond } from '../network/hops.js'
import type { NatKind } from '../network/nat.js'
import type { PortMappingState } from '../network/port-mapping.js'
import type { Survey } from '../network/survey-finding.js'

/** `note`: it works, but something is worth knowing; `problem`: something does not work. */
export type Verdict = 'ok' | 'note' | 'problem'

export type CheckName =
  | 'version'
  | 'network'
  | 'address'
  | 'nat'
  | 'beyond'
  | 'portMapping'
  | 'clock'
  | 'target'
  | 'server'
  | 'path'
  | 'quality'
  | 'host'
  | 'maps'

/** One thing that was looked at. */
export interface Check {
  readonly name: CheckName
  readonly verdict: Verdict
  /** What was found, one or two sentences for a person. */
  readonly message: string
  /** What to do about it; null when there is nothing to do. Never null for a problem. */
  readonly advice: string | null
}

/** Whose side keeps a connection from coming about; null when it is not known. */
export type Side = 'here' | 'there' | 'both' | 'relay'

/** One of several hosts under a server's secret, or the only one. */
export interface HostFinding {
  /** Its name, as events tell it. */
  readonly host: string
  /** Whether it is the one that new flows go to. */
  readonly used: boolean
  readonly path: PathKind
  /** Of the pings through its session: the median round trip, and how much successive ones differ, ms. */
  readonly rtt: number | null
  readonly jitter: number | null
  /** Share of the pings that were not answered, 0 to 1. */
  readonly loss: number
  readonly shared: readonly SharedMapInfo[]
}

/** What was found out about one server; with several hosts, path, pings and ports are those of the one in use. */
export interface ServerFinding {
  /** In base58. */
  readonly publicKey: string
  /** DHT nodes that know it: 0 when it is not running, or was stopped in an orderly way. */
  readonly knownBy: number
  readonly connected: boolean
  /** Why there is no connection, an {@link ErrorCode}; null for a connection. */
  readonly code: string | null
  /** The sentence that goes with `code`. */
  readonly reason: string | null
  /** How packets travel; null without a connection. */
  readonly path: PathKind | null
  /** Whether a direct path was opened; null when it did not come to that. */
  readonly direct: boolean | null
  /** Whether the server's router takes another port for each partner; null when the server did not say. */
  readonly serverIsRandom: boolean | null
  /** Of the pings through the session: the median round trip, and how much successive ones differ, ms. */
  readonly rtt: number | null
  readonly jitter: number | null
  /** Share of the pings that were not answered, 0 to 1; null without a connection. */
  readonly loss: number | null
  readonly shared: readonly SharedMapInfo[]
  /** Those that there was a connection to. */
  readonly hosts: readonly HostFinding[]
  readonly inTheWay: Side | null
}

/** What the router does for programs that ask it to map a port. */
export type PortMappingFinding = Exclude<PortMappingState, { state: 'off' | 'searching' }>

/** Of the wall clock, which was compared with no other clock. */
export interface ClockFinding {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Whether it shows a time at which this program existed. */
  readonly plausible: boolean
  /** By how much it was set while we looked, ms. */
  readonly jumped: number
}

export interface VersionFinding {
  readonly hyperNat: string
  readonly node: string
  /** `linux x64` */
  readonly platform: string
}

/** What {@link diagnose} found. */
export interface Diagnosis {
  /** Whether there is no problem; notes are none. */
  readonly ok: boolean
  readonly version: VersionFinding
  readonly clock: ClockFinding
  readonly network: Pick<Survey, 'asked' | 'answered' | 'rtt' | 'contact' | 'tcp'>
  readonly nat: Survey['nat'] & {
    /** As people know it: open, moderate, strict. */
    readonly name: string
    readonly kind: NatKind
    readonly beyond: Beyond | null
  }
  /** Null when the router was left alone, or when nobody could tell whether a mapped port leads here. */
  readonly portMapping: PortMappingFinding | null
  /** Null when no public key was given. */
  readonly server: ServerFinding | null
  /** In the order in which they were made. */
  readonly checks: readonly Check[]
}
