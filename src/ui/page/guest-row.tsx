/** A guest of a server. */
import { useEffect, useState } from 'preact/hooks'
import type { GuestView, ServerView } from '../wire.js'
import { DialogForm } from './dialog.js'
import type { History } from './history.js'
import { Question } from './question.js'
import { ask } from './server.js'
import { SessionRow } from './session-row.js'
import { day, guestTitle, serverTitle } from './text.js'
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
  const [question, setQuestion] = useState<'revoke' | 'rename' | 'ticket' | 'block' | null>(null)
  const { say, show } = useWords()
  const task = useTask()
  const { key, peer, blocked, invited, ports, expires, maxDevices, sessions } = guest
  const who = guestTitle(guest)
  // Those whom a key lets in have none.
  const hasTicket = key === undefined && (expires === undefined || expires > at)
  // Those of one key have one.
  const address = sessions.find(session => session.address !== undefined)?.address
  const limits = [
    ...(blocked ? ['removed'] : invited ? [] : ['Joined with the public ticket']),
    ...(ports === undefined ? [] : [`only ${ports}`]),
    ...(expires === undefined ? [] : [`${expires <= at ? 'ended on' : 'until'} ${day(expires)}`]),
    ...(maxDevices === undefined ? [] : [`${maxDevices} device${maxDevices === 1 ? '' : 's'} at a time`]),
    ...(address === undefined ? [] : [`in-game IP ${address}`])
  ]
  const letIn = (): Promise<void> =>
    task.run(async () => {
      show((await ask('block', { publicKey: server.publicKey, peer: peer!, blocked: false })).view)
      say(`${who} can join again`)
    })
  const close = (): void => setQuestion(null)
  return (
    <li>
      <div class="row">
        <span class={sessions.length > 0 ? 'who here' : 'who'}>{who}</span>
        {sessions.length === 0 && !blocked && <span class="quiet">not here</span>}
        {limits.length > 0 && <span class="quiet">{limits.join(', ')}</span>}
        <span class="row push">
          {blocked ? (
            <Action text="Let in again" who={who} disabled={task.busy} onClick={letIn} />
          ) : (
            <>
              {hasTicket && (
                <Action text="Ticket" what="Ticket of" who={who} onClick={() => setQuestion('ticket')} />
              )}
              <Action text="Rename" who={who} onClick={() => setQuestion('rename')} />
              {peer === undefined ? (
                <Action text="Revoke" who={who} onClick={() => setQuestion('revoke')} />
              ) : (
                <Action text="Remove" who={who} onClick={() => setQuestion('block')} />
              )}
            </>
          )}
        </span>
      </div>
      {sessions.map(session => (
        <SessionRow key={session.id} session={session} history={history} at={at} who={who} />
      ))}
      <Trouble refused={task.refused} />
      {question === 'revoke' && <Revoke guest={guest} server={server} onClose={close} />}
      {question === 'block' && <Block guest={guest} server={server} onClose={close} />}
      {question === 'ticket' && <OwnTicket guest={guest} server={server} onClose={close} />}
      {question === 'rename' && <Rename guest={guest} server={server} onClose={close} />}
    </li>
  )
}

/** @param what for screen readers, before who it is about; left out: the text */
function Action({
  text,
  what = text,
  who,
  disabled = false,
  onClick
}: {
  text: string
  what?: string
  who: string
  disabled?: boolean
  onClick: () => void
}) {
  return (
    <button type="button" class="small" aria-label={`${what} ${who}`} disabled={disabled} onClick={onClick}>
      {text}
    </button>
  )
}

interface QuestionProps {
  readonly guest: GuestView
  readonly server: ServerView
  readonly onClose: () => void
}

function Revoke({ guest, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const task = useTask()
  const name = guestTitle(guest)
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

/** Keeps out someone who is known by a key only. */
function Block({ guest, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const task = useTask()
  const name = guestTitle(guest)
  const block = (): Promise<void> =>
    task.run(async () => {
      const { view } = await ask('block', { publicKey: server.publicKey, peer: guest.peer!, blocked: true })
      onClose()
      show(view)
      say(`${name} was removed`)
    })
  return (
    <Question title={`Remove ${name}?`} stay="Keep" end="Remove" task={task} onStay={onClose} onEnd={block}>
      {name} is disconnected at once and cannot join again with the key of that computer.
      {!server.private &&
        ' Anyone with the public ticket can come back with a new key: to keep out everyone you have not invited, check "Only invited guests".'}
    </Question>
  )
}

/** The ticket of an invited guest, once more. */
function OwnTicket({ guest, server, onClose }: QuestionProps) {
  const name = guestTitle(guest)
  const { refused, run } = useTask()
  const [ticket, setTicket] = useState<string | null>(null)
  useEffect(() => {
    void run(async () => setTicket((await ask('ticket', { publicKey: server.publicKey, name })).ticket))
  }, [])
  return (
    <TicketDialog
      title={`The ticket of ${name}`}
      name={name}
      game={serverTitle(server)}
      ticket={ticket}
      onClose={onClose}
    >
      <Trouble refused={refused} />
    </TicketDialog>
  )
}

function Rename({ guest, server, onClose }: QuestionProps) {
  const { say, show } = useWords()
  const task = useTask()
  const { peer } = guest
  const { publicKey } = server
  const name = guestTitle(guest)
  const [to, setTo] = useState(guest.name ?? '')
  const rename = (): Promise<void> =>
    task.run(async () => {
      const { view } =
        guest.name === undefined && peer !== undefined
          ? await ask('nameGuest', { publicKey, peer, to })
          : await ask('rename', { publicKey, name, to })
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
      <Field label="Name" value={to} onValue={setTo} fault={task.refused?.of('name')} focused />
    </DialogForm>
  )
}
