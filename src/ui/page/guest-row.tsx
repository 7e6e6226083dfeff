/** A guest of a server. */
import { useEffect, useState } from 'preact/hooks'
import type { GuestView, ServerView } from '../wire.js'
import { DialogForm } from './dialog.js'
import type { History } from './history.js'
import { Question } from './question.js'
import { ask } from './server.js'
import { SessionRow } from './session-row.js'
import { day, guestTitle } from './text.js'
import { TicketDialog } from './ticket-dialog.js'
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
  const who = guestTitle(guest)
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
      title={`Revoke the invite of ${name}?`}
      stay="Keep"
      end="Revoke"
      task={task}
      onStay={onClose}
      onEnd={revoke}
    >
      {name} is disconnected at once, and the ticket stops working.
      {!server.private && ' The public ticket still works for everyone who has it.'}
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
    <TicketDialog title={`The ticket of ${name}`} name={name} ticket={ticket} onClose={onClose}>
      <Trouble refused={refused} />
    </TicketDialog>
  )
}

function Rename({ name, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const task = useTask()
  const [to, setTo] = useState(name)
  const rename = (): Promise<void> =>
    task.run(async () => {
      const { view } = await ask('rename', { publicKey: server.publicKey, name, to })
      onClose()
      show(view)
      say(`${name} is ${to} now`)
    })
  return (
    <DialogForm
      title={`Rename ${name}`}
      action="Rename"
      task={task}
      fields={['name']}
      onSend={rename}
      onClose={onClose}
    >
      <Field label="The name" value={to} onValue={setTo} fault={task.refused?.of('name')} focused />
    </DialogForm>
  )
}
