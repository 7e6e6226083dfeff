/** Another name or other ports for something that is hosted. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../wire.js'
import { Dialog } from './dialog.js'
import { ask } from './server.js'
import { Field, Trouble, useTask, useWords } from './words.js'

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
  const { busy, refused, run } = useTask()
  const { publicKey } = server
  // As it was when the dialog was opened: the view goes on changing.
  const [before] = useState(server.edit)
  const [name, setName] = useState(before.name)
  const [ports, setPorts] = useState(before.ports ?? '')
  const save = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      const { view } = await ask('edit', {
        publicKey,
        name: name === before.name ? undefined : name,
        ports: ports === (before.ports ?? '') ? undefined : ports
      })
      onClose()
      show(view)
      say('Saved')
    })
  }
  return (
    <Dialog title={`Edit ${title}`} onClose={onClose}>
      <form onSubmit={save}>
        <Field
          label="The name"
          value={name}
          onValue={setName}
          fault={refused?.of('name')}
          hint="Friends who join from now on see it."
          focused
        />
        {before.ports !== undefined && (
          <Field
            label={/\D/.test(before.ports) ? 'The ports' : 'The port'}
            value={ports}
            onValue={setPorts}
            fault={refused?.of('ports')}
            hint="Friends need the new ticket to use new ports. It has the same key."
          />
        )}
        <Trouble refused={refused} fields={['name', 'ports']} />
        <div class="row end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={busy}>
            Save
          </button>
        </div>
      </form>
    </Dialog>
  )
}
