/** A ticket for one guest. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../wire.js'
import { DialogForm } from './dialog.js'
import { ask } from './server.js'
import { TicketDialog } from './ticket-dialog.js'
import { Field, Select, useFocusBack, useTask, useWords } from './words.js'

/** How long an invite may hold, in days; 0: for ever. */
const DAYS: readonly (readonly [days: number, text: string])[] = [
  [0, 'Never, until I revoke it'],
  [1, 'In one day'],
  [7, 'In one week'],
  [30, 'In 30 days']
]

export function InviteDialog({
  server,
  title,
  onClose
}: {
  server: ServerView
  title: string
  onClose: () => void
}) {
  const { say, show } = useWords()
  const task = useTask()
  // The dialog of the ticket is opened from one that is gone.
  useFocusBack()
  const [name, setName] = useState('')
  const [days, setDays] = useState(0)
  const [ticket, setTicket] = useState<string | null>(null)
  const invite = (): Promise<void> =>
    task.run(async () => {
      const limits = days > 0 ? { days } : {}
      const answer = await ask('invite', { publicKey: server.publicKey, name, ...limits })
      show(answer.view)
      setTicket(answer.ticket)
      say(`The ticket for ${name} is ready`)
    })
  if (ticket !== null) {
    return (
      <TicketDialog title={`A ticket for ${name}`} name={name} game={title} ticket={ticket} onClose={onClose}>
        <p class="hint">
          You can see it again with the button beside {name}.
          {!server.private &&
            ' Everyone who has the public ticket can still join, unless you check "Only invited guests".'}
        </p>
      </TicketDialog>
    )
  }
  return (
    <DialogForm
      title={`Invite someone to ${title}`}
      action="Make a ticket"
      task={task}
      fields={['name']}
      onSend={invite}
      onClose={onClose}
    >
      <Field
        label="Name"
        value={name}
        onValue={setName}
        fault={task.refused?.of('name')}
        hint="What you call your guest, such as Anna."
        focused
      />
      <Select label="Expires" value={days} choices={DAYS} onValue={setDays} />
    </DialogForm>
  )
}
