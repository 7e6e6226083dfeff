/** Something that is hosted: its ticket, who is here, who may come in. */
import { useState } from 'preact/hooks'
import type { GuestView, ServerView } from '../wire.js'
import { InvitationButton, TicketBox } from './copy.js'
import { EditDialog } from './edit-dialog.js'
import { Games } from './games.js'
import { GuestRow } from './guest-row.js'
import type { History } from './history.js'
import { InviteDialog } from './invite-dialog.js'
import { Question } from './question.js'
import { ask } from './server.js'
import { GONE, guestTitle, portsText, serverTitle } from './text.js'
import { Warnings } from './warnings.js'
import { Trouble, useTask, useWords } from './words.js'

const STATES: Readonly<Record<ServerView['announced'], readonly [text: string, kind: string]>> = {
  starting: ['Starting', 'wait'],
  announcing: ['Starting', 'wait'],
  announced: ['Friends can join', 'good'],
  unreached: ['No connection to the network', 'bad']
}

const WAITING = ['Waiting for the game', 'wait'] as const

/** What is asked before it is done. */
type Asked = 'edit' | 'stop' | 'invite' | 'private' | null

const PAUSED = ['Paused', 'wait'] as const

export function ServerCard({
  server,
  history,
  at,
  isGone
}: {
  server: ServerView
  history: History
  at: number
  isGone: boolean
}) {
  const { say, show } = useWords()
  const task = useTask()
  const { busy, refused, run } = task
  const [question, setQuestion] = useState<Asked>(null)
  // What the boxes show until hyper-nat has answered.
  const [wanted, setWanted] = useState<boolean | null>(null)
  const [wantedRoster, setWantedRoster] = useState<boolean | null>(null)
  const { publicKey, maps, games, ticket, guests, announced } = server
  const title = serverTitle(server)
  const [state, kind] = isGone
    ? GONE
    : server.paused
      ? PAUSED
      : announced === 'announced' && server.idle
        ? WAITING
        : STATES[announced]
  const hosts = [...new Set(maps.map(({ host }) => host))].filter(host => host !== '127.0.0.1')
  const stop = (): Promise<void> =>
    run(async () => {
      const { view } = await ask('stop', { publicKey })
      setQuestion(null)
      show(view)
      say(`${title} was removed`)
    })
  const pause = (paused: boolean): Promise<void> =>
    run(async () => {
      show((await ask('pause', { publicKey, paused })).view)
      say(paused ? `${title} is paused` : `${title} is shared again`)
    })
  const sharePort = (port: number): Promise<void> =>
    run(async () => {
      show((await ask('edit', { publicKey, rows: [{ ports: `${port}` }] })).view)
      say(`${title} is shared on port ${port}`)
    })
  // Those who are here without an invite are disconnected.
  const strangers = guests.filter(({ invited, sessions }) => !invited && sessions.length > 0)
  const setRoster = async (roster: boolean): Promise<void> => {
    setWantedRoster(roster)
    await run(async () => show((await ask('roster', { publicKey, roster })).view))
    setWantedRoster(null)
  }
  const setPrivate = async (isPrivate: boolean): Promise<void> => {
    setWanted(isPrivate)
    await run(async () => show((await ask('private', { publicKey, private: isPrivate })).view))
    setWanted(null)
  }
  return (
    <article class="card" aria-label={title}>
      <div class="row">
        <h3>{title}</h3>
        <span class={`net ${kind}`}>{state}</span>
        <span class="row push">
          <button
            type="button"
            class="small"
            aria-label={`Edit ${title}`}
            onClick={() => setQuestion('edit')}
          >
            Edit
          </button>
          <button
            type="button"
            class="small"
            disabled={busy}
            aria-label={`${server.paused ? 'Resume' : 'Pause'} ${title}`}
            onClick={() => pause(!server.paused)}
          >
            {server.paused ? 'Resume' : 'Pause'}
          </button>
          <button
            type="button"
            class="small"
            aria-label={`Remove ${title}`}
            onClick={() => setQuestion('stop')}
          >
            Remove
          </button>
        </span>
      </div>
      {ticket !== undefined && (
        <TicketBox ticket={ticket} label="Ticket for your friends">
          <InvitationButton title={title} ticket={ticket} />
        </TicketBox>
      )}
      <p class="quiet">
        {portsText(maps)}
        {hosts.length > 0 && ` of ${hosts.join(', ')}`}
      </p>
      {server.pausedMaps.length > 0 && <p class="quiet">Paused: {portsText(server.pausedMaps)}</p>}
      {server.paused && (
        <p class="notice" role="status">
          Nobody can join while it is paused. Its ticket works again when you resume.
        </p>
      )}
      {!isGone && (
        <Warnings warnings={server.warnings} onPort={server.edit.rows.length === 1 ? sharePort : undefined} />
      )}
      {server.waiting.map(sentence => (
        <p key={sentence} class="notice" role="status">
          {sentence}. Start it: friends can join as soon as it runs.
        </p>
      ))}
      {!server.paused && <Games games={games} whose="your friends' games" />}
      {server.private && <p class="lead">Only people you invite can join, each with their own ticket.</p>}
      <div class="row">
        <h4>Guests</h4>
        <button
          type="button"
          class="small"
          aria-label={`Invite to ${title}`}
          onClick={() => setQuestion('invite')}
        >
          Invite
        </button>
        <span class="row push">
          <label class="check">
            <input
              type="checkbox"
              checked={wantedRoster ?? server.roster}
              disabled={busy}
              onChange={event => setRoster(event.currentTarget.checked)}
            />
            Guests see each other
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={wanted ?? server.private}
              disabled={busy}
              onChange={event => {
                const { checked } = event.currentTarget
                if (!checked || strangers.length === 0) void setPrivate(checked)
                else {
                  event.currentTarget.checked = false
                  setQuestion('private')
                }
              }}
            />
            Only invited guests
          </label>
        </span>
      </div>
      {question === null && <Trouble refused={refused} />}
      {isGone ? null : guests.length === 0 ? (
        <p class="quiet">Nobody is here yet.</p>
      ) : (
        <ul class="guests">
          {guests.map(guest => (
            <GuestRow key={keyOf(guest)} guest={guest} server={server} history={history} at={at} />
          ))}
        </ul>
      )}
      {question === 'invite' && (
        <InviteDialog server={server} title={title} onClose={() => setQuestion(null)} />
      )}
      {question === 'edit' && <EditDialog server={server} title={title} onClose={() => setQuestion(null)} />}
      {question === 'stop' && (
        <Question
          title={`Remove ${title}?`}
          stay="Keep"
          end="Remove"
          task={task}
          onStay={() => setQuestion(null)}
          onEnd={stop}
        >
          Everyone who is here is disconnected, and its tickets stop working for good. To keep them for next
          time, pause it instead.
        </Question>
      )}
      {question === 'private' && (
        <Question
          title="Only invited guests?"
          stay="Cancel"
          end="Disconnect them"
          task={task}
          onStay={() => setQuestion(null)}
          onEnd={() => setPrivate(true).then(() => setQuestion(null))}
        >
          This disconnects {strangers.map(guestTitle).join(', ')}, who joined with the public ticket. Invite
          them to let them in again.
        </Question>
      )}
    </article>
  )
}

function keyOf({ name, peer }: GuestView): string {
  return peer === undefined ? `name ${name}` : `key ${peer}`
}
