/** A ticket for one guest. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../wire.js'
import { TicketBox } from './copy.js'
import { Dialog } from './dialog.js'
import { ask } from './server.js'
import { Field, Select, Trouble, useTask, useWords } from './words.js'

/** How long an invite may hold, in days; 0: for ever. */
const DAYS: readonly (readonly [days: number, text: string])[] = [
  [0, 'Until I revoke it'],
  [1, 'One day'],
  [7, 'One week'],
  [30, '30 days']
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
  const { busy, refused, run } = useTask()
  const [name, setName] = useState('')
  const [days, setDays] = useState(0)
  const [ticket, setTicket] = useState<string | null>(null)
  const invite = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      const limits = days > 0 ? { days } : {}
      const answer = await ask('invite', { publicKey: server.publicKey, name, ...limits })
      show(answer.view)
      setTicket(answer.ticket)
      say(`There is a ticket for ${name}`)
    })
  }
  if (ticket !== null) {
    return (
      <Dialog title={`A ticket for ${name}`} onClose={onClose}>
        <p>
          Send it to {name} and to nobody else: anyone who has it joins as {name}. You can see it again with
          the button beside {name}.
        </p>
        <TicketBox ticket={ticket} label="Ticket" />
        {!server.private && (
          <p class="hint">
            Everybody who has the public ticket can still join, unless you check "Only invited guests".
          </p>
        )}
        <div class="row end">
          <button type="button" class="main" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Invite somebody to ${title}`} onClose={onClose}>
      <form onSubmit={invite}>
        <Field
          label="The name"
          value={name}
          onValue={setName}
          fault={refused?.of('name')}
          hint="What you call your guest, such as Anna."
          focused
        />
        <Select label="How long" value={days} choices={DAYS} onValue={setDays} />
        <Trouble refused={refused} fields={['name']} />
        <div class="row end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={busy}>
            Make a ticket
          </button>
        </div>
      </form>
    </Dialog>
  )
}
