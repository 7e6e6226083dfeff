/** The ticket of one guest, to be sent to that guest. */
import type { ComponentChildren } from 'preact'
import { InvitationButton, TicketBox } from './copy.js'
import { Dialog } from './dialog.js'

/** @param ticket null until it is known */
export function TicketDialog({
  title,
  name,
  game,
  ticket,
  onClose,
  children
}: {
  title: string
  name: string
  /** What the ticket is for. */
  game: string
  ticket: string | null
  onClose: () => void
  children?: ComponentChildren
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>
        Send it to {name} and to nobody else: anyone who has it joins as {name}.
      </p>
      {ticket !== null && (
        <TicketBox ticket={ticket} label="Ticket">
          <InvitationButton title={game} ticket={ticket} />
        </TicketBox>
      )}
      {children}
      <div class="row end">
        <button type="button" class="main" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  )
}
