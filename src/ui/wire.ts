/**
 * What the page and its server tell each other, as JSON. Nothing here holds a secret of a server; a ticket of a guest, which is
 * one, is only in the answers of `invite` and `ticket`.
 *
 *     GET  /api/live      server-sent events: `view` (View) once a second, `lines` (Line[]) when there are new ones
 *     POST /api/enter     { code } -> { token }; the only one without `Authorization: Bearer TOKEN`
 *     POST /api/ACTION    an action of {@link Requests} -> {@link Outcome}
 *
 * A request that is not the page's own is refused with a status of 400 and up, and a {@link Refusal}.
 */
import type { PathKind, Quality, ServerMapInfo } from '../events.js'
import type { Proto } from '../proto.js'

/** A session with a guest, or with a server that was joined. Counters only grow. */
export interface SessionView extends Quality {
  /** One for each session, as long as it lasts. */
  readonly id: string
  readonly state: 'up' | 'lost'
  /** Null while there is no connection. */
  readonly path: PathKind | null
  /** Milliseconds since 1970. */
  readonly since: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** From where the game sees this guest come, if from an address of its own. */
  readonly address?: string
}

/** A game that is hosted, or was joined. */
export interface GameView {
  /** What the host calls it, or else the game's own name. */
  readonly title: string
  /** What to do in the game. */
  readonly help: string
  /** Whether it shows up in the game's LAN list by itself. */
  readonly listed: boolean
}

/** A guest who may come in, or is here. */
export interface GuestView {
  /** Undefined for a guest with the public ticket. */
  readonly name?: string
  /** The start of their key; of those who have no name, or who are known by a key of their own. */
  readonly key?: string
  /** All of it, in base58. */
  readonly peer?: string
  /** Whether this key is kept out; left out: it is not. */
  readonly blocked?: true
  /** Whether there is an invite, or a key in `allow`, to take back. */
  readonly invited: boolean
  /** Only these ports, as text; left out: all. */
  readonly ports?: string
  /** When the invite ends, milliseconds since 1970. */
  readonly expires?: number
  readonly maxDevices?: number
  readonly sessions: readonly SessionView[]
}

/** Something that does not work as it should. */
export interface WarningView {
  /** Left out: it stays as long as the options are as they are. */
  readonly id?: number
  readonly text: string
  /** A port that can be shared instead. */
  readonly port?: number
}

export interface ServerView {
  /** In base58. */
  readonly publicKey: string
  /** What its ports are called. */
  readonly names: readonly string[]
  readonly maps: readonly ServerMapInfo[]
  /** Those that are paused while others of it are shared. */
  readonly pausedMaps: readonly ServerMapInfo[]
  /** What to give to friends; missing for private servers, where each guest has another one. */
  readonly ticket?: string
  readonly private: boolean
  /** Whether guests see who else is here. */
  readonly roster: boolean
  readonly games: readonly GameView[]
  /** Port maps behind which nothing listens: `Waiting for Minecraft: Java Edition on port 25565`. */
  readonly waiting: readonly string[]
  /** Whether that is so for all of them. */
  readonly idle: boolean
  /** What its owner calls it, and its ports: the texts to begin with. */
  readonly edit: { readonly name: string; readonly rows: readonly EditRow[] }
  /** Whether it is not shared for now. */
  readonly paused: boolean
  /** The ids of the games that it shares. */
  readonly gameIds: readonly string[]
  readonly announced: 'starting' | 'announcing' | 'announced' | 'unreached'
  readonly guests: readonly GuestView[]
  readonly warnings: readonly WarningView[]
}

/** A place to type into a game. */
export interface AddressView {
  readonly name?: string
  readonly proto: Proto
  /** `127.0.0.1:25565`. */
  readonly address: string
}

export interface ClientView {
  /** The server's, in base58. */
  readonly publicKey: string
  readonly addresses: readonly AddressView[]
  readonly games: readonly GameView[]
  readonly sessions: readonly SessionView[]
  /** Who else is there, where the host says so; round trips to the host in ms, null while not known. */
  readonly roster: readonly { readonly name?: string; readonly rtt: number | null }[]
  /** Why the server is not reached, in a sentence; left out while it is. */
  readonly waiting?: string
  /** Whether that is because its host does not let this computer in; left out: it is not. */
  readonly rejected?: true
  readonly warnings: readonly WarningView[]
}

/** All that the page shows. */
export interface View {
  /** Milliseconds since 1970, by the computer that runs hyper-nat. */
  readonly at: number
  readonly version: string
  /** The options file. */
  readonly file: string
  /** Whether the network can be reached at all. */
  readonly online: boolean
  /** Settings that have changed and wait for the next start, by their names in the file. */
  readonly restart: readonly string[]
  readonly servers: readonly ServerView[]
  readonly clients: readonly ClientView[]
  /** Those that are about no server. */
  readonly warnings: readonly WarningView[]
}

/** A line of the log. */
export interface Line {
  /** Counts up from 1 in each window. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly level: 'info' | 'warning' | 'error'
  readonly text: string
}

/** Ports to share, as a person writes them. */
export interface HostRow {
  /** `25565`, `80,443`, `27015-27020`. */
  readonly ports: string
  /** `tcp`, `udp`, `tcpudp`, or several: `tcp+udp`. */
  readonly proto: string
}

/** Ports that are shared, as they can be changed: those of a game have its own protocols. */
export type EditRow = Pick<HostRow, 'ports'> & Partial<Pick<HostRow, 'proto'>>

/** A game that can be hosted by its name. */
export interface GameChoice {
  readonly id: string
  readonly name: string
  /** Other words for it. */
  readonly aliases: readonly string[]
  /** Its ports as people write them: `7777,27015`. */
  readonly ports: string
  /** The same with their protocols. */
  readonly maps: readonly { readonly proto: Proto; readonly port: number }[]
  /** What the host does in the game. */
  readonly help: string
  /** Why it does not work through hyper-nat, in a sentence; left out where it does. */
  readonly unplayable?: string
}

/** The actions, with what each is asked with. */
export interface Requests {
  /** Tells which games there are; changes nothing. */
  games: Readonly<Record<string, never>>
  /** Shares ports, under a new secret. */
  host: {
    readonly name: string
    readonly rows: readonly HostRow[]
    readonly host: string
    readonly private: boolean
  }
  /** Shares a game, under a new secret. */
  hostGame: {
    /** Its `id`. */
    readonly game: string
    readonly name: string
    /** Others than its own, in their order; empty: its own. */
    readonly ports: string
    readonly host: string
    readonly private: boolean
  }
  /** Removes it for good: its ticket stops working. */
  stop: { readonly publicKey: string }
  /** Gives it another name, other ports or protocols; the ticket's key stays. Left out: as it was. */
  edit: {
    readonly publicKey: string
    readonly name?: string | undefined
    /** As many as there are. */
    readonly rows?: readonly { readonly ports?: string | undefined; readonly proto?: string | undefined }[]
  }
  /** Stops sharing for now, or shares again, with the same ticket. */
  pause: { readonly publicKey: string; readonly paused: boolean }
  private: { readonly publicKey: string; readonly private: boolean }
  /** Whether guests see who else is here. */
  roster: { readonly publicKey: string; readonly roster: boolean }
  /** Tells what a ticket holds; changes nothing. */
  look: { readonly ticket: string }
  join: {
    readonly ticket: string
    /** What to call its host among friends; left out: nothing. */
    readonly friend?: string | undefined
    readonly sure?: boolean | undefined
  }
  /** Tells the user's friends; changes nothing. */
  friends: Readonly<Record<string, never>>
  /** Asks the network which friends can be reached. */
  presence: Readonly<Record<string, never>>
  /** Joins by the ticket that is kept with a friend. */
  joinFriend: { readonly name: string; readonly sure?: boolean | undefined }
  removeFriend: { readonly name: string }
  leave: { readonly publicKey: string }
  /** One who is invited already gets the same ticket again. */
  invite: {
    readonly publicKey: string
    readonly name: string
    /** Days from now; left out: for ever. */
    readonly days?: number | undefined
    readonly maxDevices?: number | undefined
  }
  /** Tells the ticket of an invited guest; changes nothing. */
  ticket: { readonly publicKey: string; readonly name: string }
  revoke: { readonly publicKey: string; readonly name: string }
  rename: { readonly publicKey: string; readonly name: string; readonly to: string }
  /** Gives a name to someone who is known by a key only. */
  nameGuest: { readonly publicKey: string; readonly peer: string; readonly to: string }
  /** Keeps a key out, or lets it in again. */
  block: { readonly publicKey: string; readonly peer: string; readonly blocked: boolean }
  /** Shows a warning no more. */
  hide: { readonly id: number }
  /** Tells the settings of the network; changes nothing. */
  settings: Readonly<Record<string, never>>
  /** They hold from the next start on. Left out: as it is. */
  setSettings: {
    /** Public keys and addresses, with blanks between them. */
    readonly relays?: string
    readonly portMapping?: boolean
    readonly lan?: boolean
    readonly ipv6?: boolean
  }
}

export type Action = keyof Requests

/** What an action answers; those that change something with how it is now. */
export interface Answers {
  games: { readonly games: readonly GameChoice[] }
  host: { readonly view: View; readonly publicKey: string }
  hostGame: { readonly view: View; readonly publicKey: string }
  stop: { readonly view: View }
  edit: { readonly view: View }
  pause: { readonly view: View }
  private: { readonly view: View }
  roster: { readonly view: View }
  look: TicketView
  join: Joined
  friends: { readonly friends: readonly FriendView[] }
  presence: { readonly friends: readonly FriendState[] }
  joinFriend: Joined
  removeFriend: { readonly friends: readonly FriendView[] }
  leave: { readonly view: View }
  invite: InviteAnswer
  ticket: { readonly ticket: string }
  revoke: { readonly view: View }
  rename: { readonly view: View }
  nameGuest: { readonly view: View }
  block: { readonly view: View }
  hide: { readonly view: View }
  settings: {
    readonly relays: readonly string[]
    /** Whether the router is asked for a port. */
    readonly portMapping: boolean
    /** Whether servers are searched in the LAN, too. */
    readonly lan: boolean
    /** Whether sessions may go on over IPv6. */
    readonly ipv6: boolean
  }
  setSettings: { readonly view: View }
}

/** A server that the user has a name for. */
export interface FriendView {
  readonly name: string
  /** In base58. */
  readonly publicKey: string
  /** Whether there is a ticket to join with. */
  readonly hasTicket: boolean
}

/** Whether a friend can be reached, as the library's `FriendPresence` tells it. */
export interface FriendState {
  readonly publicKey: string
  readonly state: 'connected' | 'announced' | 'away' | 'unknown'
}

/** What came of joining. */
export interface Joined {
  readonly view: View
  readonly publicKey: string
  /** What is unusual about the ticket, as the end of a sentence: nothing was joined, unless the request says `sure`. */
  readonly surprise?: string
}

/** What a ticket holds. */
export interface TicketView {
  readonly maps: readonly { readonly name?: string; readonly proto: Proto; readonly port: number }[]
  /** With the ports of the ticket; one that is in use here makes way for another. */
  readonly games: readonly GameView[]
  /** Whether it was made for one guest. */
  readonly invited: boolean
  /** Whether its server has been joined. */
  readonly joined: boolean
}

/** The ticket is a secret between the owner and the guest. */
export interface InviteAnswer {
  readonly view: View
  readonly ticket: string
}

/** What came of an action. A refusal, such as of a mistyped ticket, is a valid answer of the page's server. */
export type Outcome<A extends Action> = { readonly done: Answers[A] } | { readonly refused: Refusal }

/** Why something was not done. */
export interface Refusal {
  /** An `ErrorCode`, or the system's. */
  readonly code: string
  /** All of it, for people. */
  readonly message: string
  /** Each with the field that it is about: `name`, `rows[1].ports`; `''` for none. */
  readonly faults: readonly { readonly field: string; readonly message: string }[]
}
