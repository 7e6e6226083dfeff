/** Which friends can be reached now, as far as a node sees it. */
import type { PathKind } from '../events.js'
import type { Friend } from '../options/friends.js'
import type { Status } from '../status.js'

/** What a node knows. */
export interface FriendSeeker {
  status(): Pick<Status, 'clients' | 'network'>
  /** How many nodes of the DHT know a server. */
  find(publicKey: string): Promise<number>
}

export interface FriendPresence {
  readonly name: string
  /** In base58. */
  readonly publicKey: string
  /**
   * `connected`: there is a session; `announced`: the server runs, or ran some minutes ago; `away`: no node knows it; `unknown`: there
   * is no DHT to ask.
   */
  readonly state: 'connected' | 'announced' | 'away' | 'unknown'
  /** How packets travel; null without a session. */
  readonly path: PathKind | null
}

/** Friends in their order, each with what the node knows; asks the DHT of those without a session, which takes a second or two. */
export function friendsPresence(friends: readonly Friend[], node: FriendSeeker): Promise<FriendPresence[]> {
  const { clients } = node.status()
  return Promise.all(
    friends.map(async ({ name, publicKey }): Promise<FriendPresence> => {
      const session = clients
        .find(client => client.publicKey === publicKey)
        ?.sessions.find(({ state }) => state === 'up')
      if (session) return { name, publicKey, state: 'connected', path: session.path }
      const knownBy = await node.find(publicKey).catch(() => 0)
      // Where no node answers, nobody was asked.
      const isAsked = knownBy > 0 || node.status().network.nodes > 0
      return { name, publicKey, state: knownBy > 0 ? 'announced' : isAsked ? 'away' : 'unknown', path: null }
    })
  )
}
