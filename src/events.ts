import type { Proto } from './proto.js'

/** A port map as events show it. */
export interface ServerMapInfo {
  proto: Proto
  port: number
  host: string
}

/** A client's port map as events show it; `localPort` is the port really bound. */
export interface ClientMapInfo {
  proto: Proto
  port: number
  localHost: string
  localPort: number
}

/** A port map that came or went when the options were read again; `localPort` is the one asked for, 0 for any. */
export type MapChange =
  | ({ mode: 'server'; publicKey: string } & ServerMapInfo)
  | ({ mode: 'client'; publicKey: string } & ClientMapInfo)

/** What is known of the path. Times in milliseconds. */
export interface Quality {
  /** Smoothed round trip (RFC 6298's gain of 1/8), or null before the first answer. */
  rtt: number | null
  /** Mean deviation between successive round trips (RFC 3550's gain of 1/16). */
  jitter: number
  /** Share of the last pings that were not answered, 0 to 1. */
  loss: number
}

/** How a session's packets travel. */
export type PathKind = 'lan' | 'direct' | 'relayed' | 'relayed (tcp)'

/**
 * Whether a program listens behind a server's port map. `unknown`: hyper-nat cannot tell yet, as with a program on another computer
 * that is not of a known game, until a guest has used it.
 */
export type TargetState = 'answers' | 'closed' | 'unknown'

/** A port map that a server says it shares. */
export interface SharedMapInfo {
  proto: Proto
  port: number
}

/** A client's connection to its server, or to one of several hosts under the server's secret. */
export interface ConnectionInfo {
  /** The host's name, as events tell it. */
  readonly host: string
  readonly path: PathKind
  /** Round trip, jitter (ms) and loss (0 to 1) of the last half minute. */
  readonly quality: Quality
  readonly shared: readonly SharedMapInfo[]
}

/**
 * What a daemon tells the outside, one shape for the library's `event` and the CLI's `--json` lines. `publicKey` is the
 * server's, in base58; `peer` is the other side's key, in base58; `host` is the start of the id of one server process, in
 * base58: of perhaps several that share one secret. `name` is what a server's owner calls the client, in an invite or `allow`.
 */
export type DaemonEvent =
  /**
   * `ticket` is all that a friend needs, as one text; it is missing where that is too much for one. Where a server is `private`,
   * an invite is needed as well.
   */
  | {
      event: 'ready'
      mode: 'server'
      publicKey: string
      ticket?: string
      private?: true
      maps: ServerMapInfo[]
    }
  | { event: 'ready'; mode: 'client'; publicKey: string; maps: ClientMapInfo[] }
  /**
   * The options file has changed, and what is different is in use: port maps that came and went (one that was moved did both), and
   * settings, by their names, that wait for the next start.
   */
  | {
      event: 'reloaded'
      added: readonly MapChange[]
      removed: readonly MapChange[]
      restart: readonly string[]
    }
  /** How many of several servers are announced, as long as that lasts. */
  | { event: 'announcing'; announced: number; servers: number }
  /** A server that no node of the network knew can be found now. */
  | { event: 'announced'; publicKey: string }
  /** At the server: a guest has begun to connect, which takes a while or fails; at most one event a second. */
  | { event: 'connecting'; publicKey: string; peer: string }
  | { event: 'waiting'; publicKey: string; code: string; message: string }
  /**
   * `address`, at the server only: the player address, from which the guest comes to targets that are given one. With `was`, it was
   * connected before, and only its path has changed. `family` is given where packets travel by IPv6.
   */
  | {
      event: 'connected'
      publicKey: string
      peer: string
      name?: string
      path: PathKind
      was?: PathKind
      family?: 'IPv6'
      host: string
      address?: string
    }
  | { event: 'disconnected'; publicKey: string; peer: string; name?: string; code: string; host: string }
  /**
   * The program behind a server's port map: `closed` when nothing listens there, `answers` when it does again. `name` is what the
   * owner calls the port map; for a game, it begins with the id of its recipe.
   */
  | ({ event: 'target'; publicKey: string; name?: string; state: 'answers' | 'closed' } & ServerMapInfo)
  /** The page can be opened: with `url` while this process runs, with `once` one time, for a command line that others see. */
  | { event: 'ui'; url: string; once: string }
  /** Metrics are served here. */
  | { event: 'metrics'; url: string }
  /**
   * `publicKey`: of the server that it is about; `port`, `host`: what is meant, most likely, instead of what is shared; `maps`: those
   * that wait for it, so that the warning is over once one of them answers.
   */
  | {
      event: 'warning'
      code: string
      message: string
      publicKey?: string
      port?: number
      host?: string
      maps?: readonly ServerMapInfo[]
    }
  | { event: 'error'; code: string; message: string }

/** What `hyper-nat relay` and `hyper-nat bootstrap` tell. */
export type ServiceEvent =
  /** `address`: where it is reached by TCP. */
  | { event: 'ready'; mode: 'relay'; publicKey: string; address?: string }
  /** How many clients are connected by TCP now. */
  | { event: 'clients'; clients: number }
  /** A session began, or ended: how many there are now. */
  | { event: 'relaying'; sessions: number }
  | { event: 'relayed'; sessions: number; bytes: number }
  /** `host:port` of each node. */
  | { event: 'ready'; mode: 'bootstrap'; nodes: string[] }
  | Extract<DaemonEvent, { event: 'warning' | 'error' }>
