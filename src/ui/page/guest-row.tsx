/** A guest of a server. */
import { useEffect, useState } from 'preact/hooks'
import type { GuestView, ServerView } from '../wire.js'
import { TicketBox } from './copy.js'
import { Dialog } from './dialog.js'
import type { History } from './history.js'
import { Question } from './question.js'
import { ask } from './server.js'
import { SessionRow } from './session-row.js'
import { day } from './text.js'
import { Field, Trouble, useTask, useWords } from './words.js'

export function GuestRow({
  guest,
  server,
  history,
  at
}: {
  guest: GuestView
  server: ServerView
  history: History
  at: number
}) {
  const [question, setQuestion] = useState<'revoke' | 'rename' | 'ticket' | null>(null)
  const { name, key, invited, ports, expires, maxDevices, sessions } = guest
  const who = name ?? `Guest ${key}`
  // Those whom a key lets in have none.
  const hasTicket = key === undefined && (expires === undefined || expires > at)
  // Those of one key have one.
  const address = sessions.find(session => session.address !== undefined)?.address
  const limits = [
    ...(invited ? [] : ['Joined with the public ticket']),
    ...(ports === undefined ? [] : [`only ${ports}`]),
    ...(expires === undefined ? [] : [`${expires <= at ? 'ended on' : 'until'} ${day(expires)}`]),
    ...(maxDevices === undefined ? [] : [`${maxDevices} device${maxDevices === 1 ? '' : 's'} at a time`]),
    ...(address === undefined ? [] : [`in-game IP ${address}`])
  ]
  return (
    <li>
      <div class="row">
        <span class={sessions.length > 0 ? 'who here' : 'who'}>{who}</span>
        {sessions.length === 0 && <span class="quiet">not here</span>}
        {limits.length > 0 && <span class="quiet">{limits.join(', ')}</span>}
        {invited && name !== undefined && (
          <span class="row push">
            {hasTicket && (
              <button
                type="button"
                class="small"
                aria-label={`Ticket of ${who}`}
                onClick={() => setQuestion('ticket')}
              >
                Ticket
              </button>
            )}
            <button
              type="button"
              class="small"
              aria-label={`Rename ${who}`}
              onClick={() => setQuestion('rename')}
            >
              Rename
            </button>
            <button
              type="button"
              class="small"
              aria-label={`Revoke ${who}`}
              onClick={() => setQuestion('revoke')}
            >
              Revoke
            </button>
          </span>
        )}
      </div>
      {sessions.map(session => (
        <SessionRow key={session.id} session={session} history={history} at={at} who={who} />
      ))}
      {question === 'revoke' && <Revoke name={name!} server={server} onClose={() => setQuestion(null)} />}
      {question === 'ticket' && <OwnTicket name={name!} server={server} onClose={() => setQuestion(null)} />}
      {question === 'rename' && <Rename name={name!} server={server} onClose={() => setQuestion(null)} />}
    </li>
  )
}

interface QuestionProps {
  readonly name: string
  readonly server: ServerView
  readonly onClose: () => void
}

function Revoke({ name, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const task = useTask()
  const revoke = (): Promise<void> =>
    task.run(async () => {
      const { view } = await ask('revoke', { publicKey: server.publicKey, name })
      onClose()
      show(view)
      say(`${name} is not invited any more`)
    })
  return (
    <Question
      title={`Take back the invite of ${name}?`}
      stay="Keep"
      end="Revoke"
      task={task}
      onStay={onClose}
      onEnd={revoke}
    >
      {name} is disconnected at once, and the ticket stops working.
      {!server.private && ' The public ticket still works for everybody who has it.'}
    </Question>
  )
}

/** The ticket of an invited guest, once more. */
function OwnTicket({ name, server, onClose }: QuestionProps) {
  const { refused, run } = useTask()
  const [ticket, setTicket] = useState<string | null>(null)
  useEffect(() => {
    void run(async () => setTicket((await ask('ticket', { publicKey: server.publicKey, name })).ticket))
  }, [])
  return (
    <Dialog title={`The ticket of ${name}`} onClose={onClose}>
      <p>
        Send it to {name} and to nobody else: anyone who has it joins as {name}.
      </p>
      {ticket !== null && <TicketBox ticket={ticket} label="Ticket" />}
      <Trouble refused={refused} />
      <div class="row end">
        <button type="button" class="main" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  )
}

function Rename({ name, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const { busy, refused, run } = useTask()
  const [to, setTo] = useState(name)
  const rename = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      const { view } = await ask('rename', { publicKey: server.publicKey, name, to })
      onClose()
      show(view)
      say(`${name} is ${to} now`)
    })
  }
  return (
    <Dialog title={`Rename ${name}`} onClose={onClose}>
      <form onSubmit={rename}>
        <Field label="The name" value={to} onValue={setTo} fault={refused?.of('name')} focused />
        <Trouble refused={refused} fields={['name']} />
        <div class="row end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={busy}>
            Rename
          </button>
        </div>
      </form>
    </Dialog>
  )
}
