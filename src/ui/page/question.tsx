/** Whether something is really to end: it cannot be taken back. */
import type { ComponentChildren } from 'preact'
import { Dialog } from './dialog.js'
import { type Task, Trouble } from './words.js'

export function Question({
  title,
  stay,
  end,
  task,
  onStay,
  onEnd,
  children
}: {
  title: string
  /** What the buttons say. */
  stay: string
  end: string
  task: Task
  onStay: () => void
  onEnd: () => void
  /** What happens then. */
  children: ComponentChildren
}) {
  return (
    <Dialog title={title} onClose={onStay}>
      <p>{children}</p>
      <Trouble refused={task.refused} />
      <div class="row end">
        <button type="button" onClick={onStay}>
          {stay}
        </button>
        <button type="button" class="danger" disabled={task.busy} onClick={onEnd}>
          {end}
        </button>
      </div>
    </Dialog>
  )
}
