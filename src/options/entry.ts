import type { Lobby } from '../games/lobby.js'
import type { PortSet } from '../games/port-set.js'
import type { AccessRules } from '../identity/access-rules.js'
import type { GuestKey } from '../identity/guest.js'
import type { Secret } from '../identity/secret.js'
import type { GuestPorts } from '../identity/ticket.js'
import type { Limits } from '../limits.js'
import type { LogLevel } from '../log/log.js'
import type { Proto } from '../proto.js'
import type { ServerFeatures } from './features.js'

/** One port map that this machine shares under a secret. */
export interface ServerEntry extends ServerFeatures {
  readonly mode: 'server'
  /** Where it was written, for error messages: `schema[2]`, or `-p 3000`. */
  readonly path: string
  /** What the owner calls it: free text, for people only. */
  readonly name?: string
  readonly proto: Proto
  /** The port that clients ask for, and the target's port: 1 to 65535. */
  readonly port: number
  /** The target: this machine or another on its LAN; IPv4, IPv6 or a name, or a socket with a path. */
  readonly host: string
  readonly secret: Secret
  /** What its game's LAN discovery wants of it; left out: nothing. */
  readonly lobby?: Lobby
  /** What the game needs of the ports at guests; left out: nothing. */
  readonly guestPorts?: GuestPorts
  /** Who may come in, the same for all entries of one secret; left out: everybody who has the public key. */
  readonly access?: AccessRules
  /** Kept in the file, and not shared for now. */
  readonly paused?: true
}

/** One port map that this machine opens to a server. */
export interface ClientEntry {
  readonly mode: 'client'
  /** Where it was written, for error messages: `schema[2]`, or `-l 8080`. */
  readonly path: string
  /** What the owner calls it: free text, for people only. */
  readonly name?: string
  readonly proto: Proto
  /** The port at the server: 1 to 65535. */
  readonly port: number
  /** The port on this machine: 1 to 65535, or 0 for any free one; 0 with a socket that has a path. */
  readonly localPort: number
  /** The address on this machine to listen on, or a socket with a path. */
  readonly localHost: string
  /** Permission bits of the socket file; left out: for this user alone. */
  readonly socketMode?: number
  /** Where that was written: `schema[2].localHost`, or `--local-host`; left out: as {@link path}. */
  readonly localHostPath?: string
  /** Whether small payloads to the server are sent twice; only with udp. */
  readonly duplicate?: boolean
  /** Whether conversations go to another host when theirs is silent; only with udp. */
  readonly failover?: boolean
  /** The server's public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The friend that the server was named by; left out: it was named by its key or ticket. */
  readonly friend?: string
  /** What its game's LAN discovery wants of it; left out: nothing. */
  readonly lobby?: Lobby
  /** The key to come with, of an invite; left out: this machine's own. */
  readonly guest?: GuestKey
  /** When the local port is in use: the next free one. Only `hyper-nat join` asks for it. */
  readonly nextFree?: boolean
  /** The local ports that it depends on; left out: none. */
  readonly set?: PortSet
}

export type Entry = ServerEntry | ClientEntry

/** The public key of a relay, or the address of one that is reached by TCP. */
export type RelayName = Uint8Array | string

/** Where this process is reached by TCP. */
export interface TcpOptions {
  /** The TCP port, 1 to 65535. */
  readonly port: number
  /** The address to listen on; all if left out. */
  readonly host?: string
  /** How others reach it, which tickets tell: `wss://host/path`; left out: tickets do not tell. */
  readonly address?: string
  /** Files in PEM form; left out: plain `ws`. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** True: asks the router for the TCP port, too: the one of `address`, or any. */
  readonly portMapping?: boolean
}

/** How this machine reaches the DHT. */
export interface NetworkOptions {
  /** `host:port` of DHT bootstrap nodes; undefined means the public DHT's. */
  readonly bootstrap?: readonly string[]
  /**
   * Relays, the preferred first: public keys, 32 bytes each, for when there is no direct path; addresses `wss://..` for when UDP is
   * blocked.
   */
  readonly relay?: readonly RelayName[]
  /** A relay by TCP in this process, which leads to the servers here. */
  readonly tcp?: TcpOptions
  /** False: servers here ask no router for a UDP port. */
  readonly portMapping?: boolean
  /** False: nothing is asked or answered in the LAN where there is no DHT. */
  readonly lan?: boolean
  /** False: sessions use no IPv6, and peers are not told this machine's IPv6 addresses. */
  readonly ipv6?: boolean
}

/** Something that is allowed but unwise. */
export interface Warning {
  /**
   * `WEAK_SECRET`: guesses would find it; `FILE_READABLE`: other users of this machine can read a secret on disk;
   * `OTHER_DHT`: a ticket's server is in another DHT than the options name; `BAD_RECIPE`: a game's recipe cannot be used;
   * `OWN_SERVER`: a ticket's server runs on this computer; `PORT_SHARED`: a ticket's port is shared from this computer; `HOSTED_ALREADY`: this user hosts the game already; `DEFAULT_PROTOCOL`: flags share ports over UDP, as they name none;
   * `PORTS_STAY`: the port of a game was moved, others of it were not; `PORTS_APART`: local ports are not as a game needs them;
   * `IDENTITY_NOT_KEPT`: the key of this computer for a server cannot be kept;
   * `PORT_UNFIT`: the program of this port needs further ports; `TARGET_IS_JOINED`: a server that was joined has the port that is shared.
   */
  readonly code:
    | 'WEAK_SECRET'
    | 'FILE_READABLE'
    | 'OTHER_DHT'
    | 'BAD_RECIPE'
    | 'OWN_SERVER'
    | 'PORT_SHARED'
    | 'HOSTED_ALREADY'
    | 'DEFAULT_PROTOCOL'
    | 'PORTS_STAY'
    | 'PORTS_APART'
    | 'IDENTITY_NOT_KEPT'
    | 'PORT_UNFIT'
    | 'TARGET_IS_JOINED'
  /** Place in the options, as a person writes it: `schema[2].secret`, or a flag: `-s`. */
  readonly path: string
  /** Why it is unwise and what to do. */
  readonly message: string
}

/** Where metrics are served. */
export interface MetricsPlace {
  /** 0 for any free one. */
  readonly port: number
  /** The address to listen on; 127.0.0.1 if left out. */
  readonly host?: string | undefined
}

/** A log in a file, beside what is shown. */
export interface LogFileOptions {
  readonly file: string
  /** The least that is written; `info` if left out. */
  readonly level?: LogLevel
}

/** The file that options were read from. */
export interface OptionsSource {
  readonly path: string
  /** Reads it again, with what the command line adds to it. */
  read(): Promise<Options>
}

/** A whole options.json (or its flags), checked and expanded: one entry per port map. */
export interface Options {
  readonly entries: readonly Entry[]
  /** Entries of servers that are not shared for now; left out: none. */
  readonly paused?: readonly ServerEntry[]
  readonly network: NetworkOptions
  /** The file of this machine's lasting client key; left out: a fresh key for each process. */
  readonly identity?: string
  /** Where metrics are served; left out: nowhere. */
  readonly metrics?: MetricsPlace
  /** The file to log to; left out: none. */
  readonly log?: LogFileOptions
  /** The folder of the control socket; false: there is none; left out: where this system has such things. */
  readonly control?: string | false
  /** The page: its port, 0 for any free one; left out: there is none. */
  readonly ui?: { readonly port: number }
  /** Where all this was read; left out: it comes from flags. */
  readonly source?: OptionsSource
  /** Those of our numbers that the user changed. */
  readonly limits: Partial<Limits>
  /** Things that are allowed but unwise (a weak secret, ..): shown, never fatal. */
  readonly warnings: readonly Warning[]
}
