/**
 * What the page does: it changes the options file, through what the command line changes it with, and has the daemon take up
 * the change. Requests are judged whole before anything is done; faults name the page's fields.
 */
import { codeOf, HyperNatError, InputError, OptionsError, oneLine } from '../errors.js'
import { knownGames, titleOf } from '../games/games.js'
import { guestHelp, hostHelp } from '../games/help.js'
import { isListed } from '../games/lobby.js'
import { portsOfGame, type Recipe } from '../games/recipe.js'
import type { Invite } from '../identity/access-rules.js'
import { encodeKey } from '../identity/encoding.js'
import { keyPairOf, randomSecret } from '../identity/keys.js'
import { inviteTicket } from '../identity/server-ticket.js'
import { decodeTicket, encodeTicket, type Ticket } from '../identity/ticket.js'
import type { UiLimits } from '../limits.js'
import { setBlocked } from '../options/blocked.js'
import { checkOptions, distinct } from '../options/check.js'
import { type RawEntry, saveEntries } from '../options/edit.js'
import {
  changeServer,
  removeClient,
  removeServer,
  replaceClient,
  setPaused,
  setPrivate,
  setRoster
} from '../options/entries.js'
import type { ClientEntry, Options } from '../options/entry.js'
import { readOptionsIfThere } from '../options/file.js'
import { addFriend, type Friend, readFriends, removeFriend } from '../options/friends.js'
import {
  addInvite,
  nameGuest,
  removeGuest,
  renameGuest,
  type ServerInFile,
  serversIn
} from '../options/guests.js'
import { joinEntries, joinOptions, surpriseOf } from '../options/join.js'
import { clientsIn, joinedFault, sharedNow } from '../options/joined-targets.js'
import { changeNetwork, networkSettings } from '../options/network-edit.js'
import { relaysToTell } from '../options/network-flags.js'
import { ticketIn } from '../options/pasted-ticket.js'
import type { Places } from '../options/places.js'
import { isIPv4Loopback, LOCALHOST } from '../text/address.js'
import { joinedTargets } from '../text/local-end.js'
import { formatPorts } from '../text/ports.js'
import { quoteName } from '../text/quote.js'
import type { Clock } from '../util/clock.js'
import { joinedPlaces } from './joined-places.js'
import { checkRequest, fieldPlaces, gamePlaces, ofField } from './requests.js'
import { gamesIn } from './view.js'
import type { Action, Answers, FriendState, FriendView, GameChoice, Joined, Requests, View } from './wire.js'

/** What the page needs of the daemon to change it. */
export interface Changeable {
  /** What the options file said when it could be used last. */
  readonly current: Options
  /** Reads the file again, and does what it says. */
  reload(): Promise<unknown>
  /** Which friends can be reached now. */
  presence(friends: readonly Friend[]): Promise<readonly FriendState[]>
}

export interface ActionParts {
  /** The options file; it need not be there yet. */
  readonly file: string
  /** The user's friends; it need not be there yet. */
  readonly friendsFile: string
  readonly daemon: Changeable
  /** What the page shows now. */
  readonly view: () => View
  /** Shows a warning no more. */
  readonly hide: (id: number) => void
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly timeOfDay: () => number
  readonly limits: Pick<UiLimits, 'reloadMs'>
}

const DAY_MS = 86_400_000

export class Actions {
  readonly #parts: ActionParts

  constructor(parts: ActionParts) {
    this.#parts = parts
  }

  /**
   * @param body what came, of whatever shape
   * @throws OptionsError `BAD_USAGE` for another shape, `BAD_OPTIONS` with every fault, its path a field of the page
   * @throws HyperNatError a code of `decodeTicket`, of `saveEntries`, or of the daemon's reload
   */
  async run(action: Action, body: unknown): Promise<Answers[Action]> {
    const request = checkRequest(action, body)
    // The type of the one goes with the other, which the compiler cannot see through the table.
    const work = this.#works[action] as (given: unknown) => Promise<Answers[Action]>
    try {
      return await work(request)
    } catch (err) {
      if (!(err instanceof OptionsError)) throw err
      await this.#refuseBrokenFile()
      throw new OptionsError(err.faults.map(ofField))
    }
  }

  /** The faults of the file belong to no field of the page. */
  async #refuseBrokenFile(): Promise<void> {
    const { file } = this.#parts
    try {
      await readOptionsIfThere(file)
    } catch (err) {
      if (!(err instanceof OptionsError)) throw err
      const message = `${file} cannot be used as it is now: ${oneLine(err)}. Mend it, then try again.`
      throw new HyperNatError('BAD_OPTIONS', message, { cause: err })
    }
  }

  readonly #works: { readonly [A in Action]: (request: Requests[A]) => Promise<Answers[A]> } = {
    games: async () => ({ games: knownGames().all.map(choiceOf) }),

    host: async ({ rows, ...how }) =>
      this.#host(
        rows.map(({ ports, proto }) => ({ proto, port: portOf(ports) })),
        how,
        fieldPlaces
      ),

    hostGame: async ({ game, ports, ...how }) => {
      const recipe = knownGames().find(game)
      if (recipe?.works === 'no') {
        const message = `${recipe.name} does not work through hyper-nat. ${recipe.why}`
        throw new OptionsError([{ path: '', message, code: 'GAME_UNPLAYABLE' }])
      }
      const port = ports.trim() === '' ? {} : { port: portOf(ports) }
      // As hyper-nat host does: games treat every address on loopback as a player.
      const isHere = how.host.trim() === '' || isIPv4Loopback(how.host.trim())
      const what = { game, ...port, ...(isHere && { playerAddresses: true }) }
      return this.#host([what], how, gamePlaces)
    },

    stop: async ({ publicKey: key }) => {
      await removeServer(this.#parts.file, key)
      return this.#changed()
    },

    edit: async ({ publicKey: key, name, rows }) => {
      if (name?.trim() === '') throw new OptionsError([{ path: 'name', message: 'is empty; give a name' }])
      const changed = rows?.map(({ ports, proto }) => ({
        port: ports === undefined ? undefined : portOf(ports),
        proto
      }))
      await changeServer(this.#parts.file, key, { name: name?.trim(), rows: changed })
      return this.#changed()
    },

    pause: async ({ publicKey: key, paused }) => {
      await setPaused(this.#parts.file, key, paused)
      return this.#changed()
    },

    private: async ({ publicKey: key, private: isPrivate }) => {
      await setPrivate(this.#parts.file, key, isPrivate)
      return this.#changed()
    },

    roster: async ({ publicKey: key, roster }) => {
      await setRoster(this.#parts.file, key, roster)
      return this.#changed()
    },

    look: async ({ ticket: text }) => {
      const ticket = this.#friendsTicket(text)
      const { invite, publicKey: key } = ticket
      const maps = clientEntries(ticket)
      return {
        maps: maps.map(({ name, proto, port }) => ({
          ...(name !== undefined && { name: titleOf(name) }),
          proto,
          port
        })),
        games: gamesIn(maps, guestHelp, isListed),
        invited: invite !== undefined,
        joined: this.#joined(encodeKey(key)).length > 0
      }
    },

    join: async ({ ticket: text, friend, sure }) => {
      const ticket = this.#friendsTicket(text)
      return this.#surprised(ticket, sure) ?? this.#join(ticket, friend?.trim())
    },

    friends: async () => ({ friends: await this.#friends() }),

    presence: async () => {
      const friends = await readFriends(this.#parts.friendsFile)
      const found = await this.#parts.daemon.presence(friends)
      return { friends: found.map(({ publicKey: key, state }) => ({ publicKey: key, state })) }
    },

    joinFriend: async ({ name, sure }) => {
      const friend = (await readFriends(this.#parts.friendsFile)).find(one => one.name === name)
      if (friend?.ticket === undefined) {
        const message = `${quoteName(name)} has no ticket here: paste one to join`
        throw new OptionsError([{ path: '', message }])
      }
      const ticket = this.#friendsTicket(friend.ticket)
      return this.#surprised(ticket, sure) ?? this.#join(ticket)
    },

    removeFriend: async ({ name }) => {
      const wanted = name.toLowerCase()
      if (clientsIn(this.#parts.daemon.current).some(({ friend }) => friend?.toLowerCase() === wanted)) {
        const message = `${quoteName(name)} is named in ${this.#parts.file}, which could not be used any more: leave the server first`
        throw new OptionsError([{ path: '', message }])
      }
      await removeFriend(name, this.#parts.friendsFile)
      return { friends: await this.#friends() }
    },

    leave: async ({ publicKey: key }) => {
      await removeClient(this.#parts.file, key)
      return this.#changed()
    },

    invite: async ({ publicKey: key, name, days, maxDevices }) => {
      const now = this.#parts.timeOfDay()
      const limited = days !== undefined || maxDevices !== undefined
      const server = serversIn(this.#parts.daemon.current).find(one => one.publicKey === key)
      const known = server?.access.invites.find(one => one.name === name.trim())
      if (limited && known && !isOver(known, now)) {
        const message = 'is invited already; revoke that invite first, or choose another name'
        throw new OptionsError([{ path: 'name', message }])
      }
      const expires = days === undefined ? undefined : now + days * DAY_MS
      const request = { name: name.trim(), expires, maxDevices, server: key }
      const { ticket } = await addInvite(this.#parts.file, request, now, (found, invite) =>
        this.#ticketOf(found, invite)
      )
      return { ...(await this.#changed()), ticket }
    },

    ticket: async ({ publicKey: key, name }) => {
      const server = serversIn(this.#parts.daemon.current).find(one => one.publicKey === key)
      const invite = server?.access.invites.find(one => one.name === name)
      if (!server || !invite) {
        throw new OptionsError([{ path: '', message: `${quoteName(name)} is no longer invited` }])
      }
      if (isOver(invite, this.#parts.timeOfDay())) {
        throw new OptionsError([{ path: '', message: `The invite of ${quoteName(name)} has expired` }])
      }
      return { ticket: this.#ticketOf(server, invite) }
    },

    revoke: async ({ publicKey: key, name }) => {
      await removeGuest(this.#parts.file, name, key)
      return this.#changed()
    },

    rename: async ({ publicKey: key, name, to }) => {
      await renameGuest(this.#parts.file, key, name, to.trim())
      return this.#changed()
    },

    nameGuest: async ({ publicKey: key, peer, to }) => {
      await nameGuest(this.#parts.file, key, peer, to.trim())
      return this.#changed()
    },

    block: async ({ publicKey: key, peer, blocked }) => {
      await setBlocked(this.#parts.file, key, peer, blocked)
      return this.#changed()
    },

    hide: async ({ id }) => {
      this.#parts.hide(id)
      return { view: this.#parts.view() }
    },

    settings: () => networkSettings(this.#parts.file),

    setSettings: async ({ relays, ...rest }) => {
      const names = relays?.split(/[\s,]+/).filter(name => name !== '')
      await changeNetwork(this.#parts.file, { ...(names && { relays: names }), ...rest })
      return this.#changed()
    }
  }

  async #friends(): Promise<FriendView[]> {
    const friends = await readFriends(this.#parts.friendsFile)
    return friends.map(({ name, publicKey, ticket }) => ({
      name,
      publicKey,
      hasTicket: ticket !== undefined
    }))
  }

  /** @param name empty: it is not wanted */
  async #remember(name: string, ticket: Ticket): Promise<void> {
    if (name === '') return
    try {
      await addFriend(name, encodeTicket(ticket), false, this.#parts.friendsFile)
    } catch (err) {
      if (err instanceof InputError) throw new OptionsError([{ path: 'friend', message: err.fault }])
      if (codeOf(err) !== 'NAME_TAKEN') throw err
      throw new OptionsError([
        { path: 'friend', message: 'is the name of another friend; choose another one' }
      ])
    }
  }

  /** What to ask before joining; undefined where there is nothing to ask. */
  #surprised(ticket: Ticket, sure = false): Joined | undefined {
    const surprise = sure ? undefined : surpriseOf(clientEntries(ticket), false)
    return surprise === undefined
      ? undefined
      : { view: this.#parts.view(), publicKey: encodeKey(ticket.publicKey), surprise }
  }

  /** @param friend what to call its host; empty or left out: nothing */
  async #join(ticket: Ticket, friend = ''): Promise<Joined> {
    await this.#remember(friend, ticket)
    const key = encodeKey(ticket.publicKey)
    const before = this.#joined(key)
    // An invite lets in where the public ticket does not any more.
    if (before.length > 0 && !ticket.invite) {
      const message = 'is of a server that you have joined already; leave it first to use another ticket'
      throw new OptionsError([{ path: 'ticket', message }])
    }
    const maps = await joinedPlaces(
      clientEntries(ticket),
      before,
      sharedNow(this.#parts.daemon.current.entries)
    )
    const entries = joinEntries(encodeTicket(ticket), ticket, maps)
    if (before.length > 0) await replaceClient(this.#parts.file, key, entries)
    else await saveEntries(this.#parts.file, entries)
    return { ...(await this.#changed()), publicKey: key }
  }

  /** Shares something new. */
  async #host(
    what: readonly RawEntry[],
    { name, host, private: isPrivate }: Pick<Requests['host'], 'name' | 'host' | 'private'>,
    places: Places
  ): Promise<Answers['host']> {
    const secret = randomSecret()
    const entries = what.map(
      (one, index): RawEntry => ({
        mode: 'server',
        ...(name.trim() !== '' && { name: name.trim() }),
        ...one,
        ...(host.trim() !== '' && { host: host.trim() }),
        secret: secret.reveal(),
        ...(isPrivate && index === 0 && { private: true })
      })
    )
    const { entries: servers } = checkOptions({ schema: entries }, places)
    const faults = joinedTargets(sharedNow(servers), clientsIn(this.#parts.daemon.current)).map(
      ({ target, end }) => {
        const index = what.findIndex((_, i) => places.entry(i) === target.path)
        return { path: places.field(['schema', index, 'port']), message: joinedFault(end) }
      }
    )
    if (faults.length > 0) throw new OptionsError(distinct(faults))
    await saveEntries(this.#parts.file, entries)
    return { ...(await this.#changed()), publicKey: encodeKey(keyPairOf(secret).publicKey) }
  }

  /** @throws OptionsError for one of a server that is hosted here: its ports would lead to themselves */
  #friendsTicket(text: string): Ticket {
    const ticket = decodeTicket(ticketIn(text))
    const key = encodeKey(ticket.publicKey)
    if (serversIn(this.#parts.daemon.current).some(one => one.publicKey === key)) {
      throw new OptionsError([{ path: 'ticket', message: 'is your own: send it to your friends' }])
    }
    return ticket
  }

  /** What leads to this server already. */
  #joined(key: string): ClientEntry[] {
    return clientsIn(this.#parts.daemon.current).filter(entry => encodeKey(entry.publicKey) === key)
  }

  /** The ticket of an invited guest. */
  #ticketOf({ keyPair, maps }: ServerInFile, invite: Invite): string {
    const { network } = this.#parts.daemon.current
    return inviteTicket(keyPair, invite, {
      maps,
      relays: relaysToTell(network),
      bootstrap: network.bootstrap ?? []
    })
  }

  async #changed(): Promise<{ view: View }> {
    const { daemon, clock, limits, view } = this.#parts
    // A server is reported only once it is announced, which can take long: the page shows how far it is.
    let cancel = (): void => {}
    const late = new Promise<void>(resolve => {
      const timer = clock.after(limits.reloadMs, resolve)
      cancel = () => timer.cancel()
    })
    try {
      await Promise.race([daemon.reload(), late])
    } finally {
      cancel()
    }
    return { view: view() }
  }
}

function choiceOf(recipe: Recipe): GameChoice {
  const { id, name, aliases = [], works, why = '' } = recipe
  const found = portsOfGame(recipe)
  const ports = 'ports' in found ? found.ports : []
  return {
    id,
    name,
    aliases,
    ports: formatPorts(ports.map(({ port }) => port)),
    maps: ports.flatMap(({ port, protos }) => protos.map(proto => ({ proto, port }))),
    help: hostHelp(recipe, LOCALHOST),
    ...(works === 'no' && { unplayable: why })
  }
}

function isOver({ expires }: Invite, now: number): boolean {
  return expires !== undefined && expires <= now
}

/** As a person would write it into the file. */
function portOf(text: string): number | string {
  const trimmed = text.trim()
  return /^\d{1,5}$/.test(trimmed) ? Number(trimmed) : trimmed
}

/** What a ticket opens. */
function clientEntries(ticket: Ticket): ClientEntry[] {
  const { entries } = joinOptions({ ticket: encodeTicket(ticket) })
  return entries.filter(entry => entry.mode === 'client')
}
