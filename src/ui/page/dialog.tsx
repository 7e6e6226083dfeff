/** A question, or an answer that must be seen, over the rest of the page. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { type Task, Trouble, useFocusBack } from './words.js'

export function Dialog({
  title,
  onClose,
  children
}: {
  title: string
  onClose: () => void
  children: ComponentChildren
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useFocusBack()
  useEffect(() => {
    // The browser keeps the focus inside, and closes with Escape.
    dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  )
}

/** A dialog that is filled in, and sent or left. */
export function DialogForm({
  title,
  action,
  task,
  fields,
  onSend,
  onClose,
  children
}: {
  title: string
  /** What the button says that sends it. */
  action: string
  task: Task
  /** Those that show their own faults. */
  fields: readonly string[]
  onSend: () => void
  onClose: () => void
  children: ComponentChildren
}) {
  const send = (event: Event): void => {
    event.preventDefault()
    onSend()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={send}>
        {children}
        <Trouble refused={task.refused} fields={fields} />
        <div class="row end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={task.busy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
