/** Servers that the user has names for: who is online, and joining by a click. */
import { useEffect, useState } from 'preact/hooks'
import type { FriendState, FriendView, View } from '../wire.js'
import { useJoining } from './joining.js'
import { Question } from './question.js'
import { ask, Refused } from './server.js'
import { isUp } from './text.js'
import { Trouble, useTask, useWords } from './words.js'

/** Between two times that the network is asked who is online. */
const ASK_MS = 30_000

type Badge = readonly [text: string, kind: string]

const CONNECTED: Badge = ['Connected', 'good']
const JOINED: Badge = ['Joined', 'wait']

/** Those of friends whose servers are not joined here. */
const BADGES: Readonly<Record<FriendState['state'] | 'asked', Badge>> = {
  asked: ['Checking', 'none'],
  connected: CONNECTED,
  announced: ['Online', 'good'],
  away: ['Offline', 'none'],
  unknown: ['Not known', 'none']
}

export function Friends({ view }: { view: View }) {
  const [friends, setFriends] = useState<readonly FriendView[]>([])
  /** By their public keys; those that have not been asked for are missing. */
  const [states, setStates] = useState<ReadonlyMap<string, FriendState['state']>>(new Map())
  const [refused, setRefused] = useState<Refused | null>(null)
  const joined = view.clients.map(({ publicKey }) => publicKey).join()
  useEffect(() => {
    const ended = new AbortController()
    const look = async (): Promise<void> => {
      const { friends: all } = await ask('friends', {})
      if (ended.signal.aborted) return
      setFriends(all)
      setRefused(null)
      if (all.length === 0) return
      const found = (await ask('presence', {})).friends
      if (!ended.signal.aborted) setStates(new Map(found.map(one => [one.publicKey, one.state])))
    }
    const again = (): void => {
      // Nobody looks at a window in the background. What fails is asked for again.
      if (!document.hidden)
        look().catch(err => (err instanceof Refused ? setRefused(err) : Promise.reject(err)))
    }
    again()
    const timer = setInterval(again, ASK_MS)
    return () => {
      ended.abort()
      clearInterval(timer)
    }
  }, [joined])
  if (friends.length === 0) return <Trouble refused={refused} />
  return (
    <section aria-labelledby="friends">
      <h2 id="friends">Friends</h2>
      <ul class="card guests">
        {friends.map(friend => {
          const client = view.clients.find(({ publicKey }) => publicKey === friend.publicKey)
          const badge = client
            ? isUp(client)
              ? CONNECTED
              : JOINED
            : BADGES[states.get(friend.publicKey) ?? 'asked']
          return (
            <FriendRow
              key={friend.name}
              friend={friend}
              badge={badge}
              canJoin={!client && friend.hasTicket}
              onFriends={setFriends}
            />
          )
        })}
      </ul>
    </section>
  )
}

function FriendRow({
  friend: { name },
  badge: [text, kind],
  canJoin,
  onFriends
}: {
  friend: FriendView
  badge: Badge
  canJoin: boolean
  onFriends: (friends: readonly FriendView[]) => void
}) {
  const { say, show } = useWords()
  const task = useTask()
  const [asking, setAsking] = useState(false)
  const { join, question } = useJoining(
    task,
    sure => ask('joinFriend', { name, sure }),
    view => {
      show(view)
      say(`Joined ${name}`)
    }
  )
  const remove = (): Promise<void> =>
    task.run(async () => {
      const { friends } = await ask('removeFriend', { name })
      setAsking(false)
      onFriends(friends)
      say(`${name} was removed`)
    })
  return (
    <li>
      <div class="row">
        <span class="who">{name}</span>
        <span class={`net ${kind}`}>{text}</span>
        <span class="row push">
          {canJoin && (
            <button
              type="button"
              class="small main"
              disabled={task.busy}
              aria-label={`Join ${name}`}
              onClick={join}
            >
              Join
            </button>
          )}
          <button
            type="button"
            class="small"
            aria-label={`Remove friend ${name}`}
            onClick={() => setAsking(true)}
          >
            Remove
          </button>
        </span>
      </div>
      {!asking && !question && <Trouble refused={task.refused} />}
      {question}
      {asking && (
        <Question
          title={`Remove ${name} from your friends?`}
          stay="Keep"
          end="Remove"
          task={task}
          onStay={() => setAsking(false)}
          onEnd={remove}
        >
          To join again, you need a ticket from {name}.
        </Question>
      )}
    </li>
  )
}
