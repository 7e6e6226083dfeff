/** A ticket becomes something that was joined: first what is in it is shown, as soon as it was pasted. */
import { useEffect, useState } from 'preact/hooks'
import { sentenceOf } from '../../text/sentence.js'
import type { TicketView } from '../wire.js'
import { Games } from './games.js'
import { useJoining } from './joining.js'
import { ask, Refused } from './server.js'
import { portsText, sentence } from './text.js'
import { Field, Title, Trouble, useTask, useWords } from './words.js'

/** How long nothing is typed until the ticket is looked at. */
const LOOK_MS = 250

export function JoinForm() {
  const { say, show } = useWords()
  const task = useTask()
  const { busy, refused } = task
  const [ticket, setTicket] = useState('')
  const [friend, setFriend] = useState('')
  const [held, setHeld] = useState<TicketView | null>(null)
  const [fault, setFault] = useState<string | null>(null)

  useEffect(() => {
    setHeld(null)
    setFault(null)
    if (ticket.trim() === '') return
    let over = false
    const look = async (): Promise<void> => {
      try {
        const found = await ask('look', { ticket })
        if (!over) setHeld(found)
      } catch (err) {
        if (!over) setFault(faultOf(err))
      }
    }
    const timer = setTimeout(look, LOOK_MS)
    return () => {
      over = true
      clearTimeout(timer)
    }
  }, [ticket])

  const { join, question } = useJoining(
    task,
    // A name that was typed for the previous ticket is not one for this ticket, which has no field for it.
    sure => ask('join', { ticket, friend: held?.joined ? undefined : friend, sure }),
    view => {
      show(view)
      say('Joined')
      location.hash = 'home'
    }
  )
  const submit = (event: Event): void => {
    event.preventDefault()
    join()
  }
  return (
    <form class="card" onSubmit={submit}>
      <Title text="Join" />
      <p class="lead">Your friend's ticket begins with hnat1. Paste it, or the whole message.</p>
      <Field label="Ticket" value={ticket} onValue={setTicket} lines={4} placeholder="hnat1..." focused />
      <div role="status">
        {held && <Held held={held} />}
        {fault !== null && <p class="fault">{sentenceOf(fault)}</p>}
      </div>
      {held && !held.joined && (
        <Field
          label="Friend's name"
          value={friend}
          onValue={setFriend}
          fault={refused?.of('friend')}
          placeholder="Anna"
          hint="Adds the host to your friends, so that you can join again with one click."
          optional
        />
      )}
      {fault === null && !question && <Trouble refused={refused} fields={['friend']} />}
      {question}
      <div class="row end">
        <a class="button" href="#home">
          Back
        </a>
        <button type="submit" class="main" disabled={busy || !held || (held.joined && !held.invited)}>
          {busy ? 'One moment…' : 'Join'}
        </button>
      </div>
    </form>
  )
}

function Held({ held }: { held: TicketView }) {
  const names = [...new Set(held.maps.flatMap(({ name }) => name ?? []))]
  return (
    <div class="held">
      <p>
        <strong>{names.join(', ') || 'A server'}</strong>: {portsText(held.maps)}
        {held.invited && ' (an invite for you alone)'}
      </p>
      {held.joined ? (
        <p class="notice">
          {held.invited
            ? 'This invite replaces the ticket that you joined with.'
            : 'You have already joined this server. To use another ticket for it, leave it first.'}
        </p>
      ) : (
        <Games games={held.games} />
      )}
    </div>
  )
}

function faultOf(err: unknown): string {
  if (!(err instanceof Refused)) return String(err)
  const fault = err.of('ticket')
  return fault === undefined ? err.message : sentence('The ticket', fault)
}
