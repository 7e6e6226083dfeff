/** Another name, other ports or protocols for something that is hosted. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../wire.js'
import { DialogForm } from './dialog.js'
import { PortRows } from './port-rows.js'
import { ask } from './server.js'
import { Field, useTask, useWords } from './words.js'

export function EditDialog({
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
  const { publicKey } = server
  // As it was when the dialog was opened: the view goes on changing.
  const [before] = useState(server.edit)
  const [name, setName] = useState(before.name)
  const [rows, setRows] = useState(before.rows)
  const changed = rows.map(({ ports, proto }, index) => {
    const was = before.rows[index]!
    return { ...(ports !== was.ports && { ports }), ...(proto !== was.proto && { proto }) }
  })
  const save = (): Promise<void> =>
    task.run(async () => {
      const { view } = await ask('edit', {
        publicKey,
        name: name === before.name ? undefined : name,
        ...(changed.some(row => Object.keys(row).length > 0) && { rows: changed })
      })
      onClose()
      show(view)
      say('Saved')
    })
  return (
    <DialogForm
      title={`Edit ${title}`}
      action="Save"
      task={task}
      fields={['name', ...rows.flatMap((_, index) => [`rows[${index}].ports`, `rows[${index}].proto`])]}
      onSend={save}
      onClose={onClose}
    >
      <Field
        label="Name"
        value={name}
        onValue={setName}
        fault={task.refused?.of('name')}
        hint="Friends who join from now on see it."
        focused
      />
      <PortRows rows={rows} refused={task.refused} onRows={setRows} />
      <p class="hint">
        The ticket that your friends have keeps working unless you change ports or protocols: then send them
        the new one.
      </p>
    </DialogForm>
  )
}
