/** What to host: ports and protocols, for whom. */
import { useState } from 'preact/hooks'
import type { HostRow } from '../wire.js'
import { ask } from './server.js'
import { sentence } from './text.js'
import { Field, Select, Title, Trouble, useTask, useWords } from './words.js'

const PROTOCOLS: readonly (readonly [proto: string, text: string])[] = [
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['tcp+udp', 'TCP and UDP'],
  ['tcpudp', 'TCP over UDP, for bad lines']
]

const NEW_ROW: HostRow = { ports: '', proto: 'tcp+udp' }

/** Kinds of ports in one form at the most, as hyper-nat takes them. */
const ROWS_MAX = 16

export function HostForm() {
  const { say, show } = useWords()
  const { busy, refused, run } = useTask()
  const [name, setName] = useState('')
  const [rows, setRows] = useState<readonly HostRow[]>([NEW_ROW])
  const [host, setHost] = useState('')
  const [isPrivate, setPrivate] = useState(false)
  const setRow = (index: number, change: Partial<HostRow>): void =>
    setRows(rows.map((row, i) => (i === index ? { ...row, ...change } : row)))
  const submit = (event: Event): void => {
    event.preventDefault()
    run(async () => {
      const { view } = await ask('host', { name, rows, host, private: isPrivate })
      show(view)
      say('Hosting')
      location.hash = 'home'
    })
  }
  const fields = ['name', 'host', ...rows.flatMap((_, i) => [`rows[${i}].ports`, `rows[${i}].proto`])]
  return (
    <form class="card" onSubmit={submit}>
      <Title text="Host" />
      <p class="lead">
        Start the game's server on this computer first. Its manual tells which port it uses: Minecraft (Java)
        has TCP 25565, games on the Source engine have TCP and UDP 27015.
      </p>
      <Field
        label="The name"
        value={name}
        onValue={setName}
        fault={refused?.of('name')}
        placeholder="Minecraft with friends"
        hint="Your friends see it when they join."
        optional
      />
      {rows.map((row, index) => (
        // Rows have nothing else to tell them apart, and only the last is taken out.
        <fieldset key={index} class="ports">
          <legend class={rows.length > 1 ? '' : 'unseen'}>Ports {index + 1}</legend>
          <Field
            label="The port"
            value={row.ports}
            onValue={ports => setRow(index, { ports })}
            fault={refused?.of(`rows[${index}].ports`)}
            placeholder="25565"
            digits
          />
          <Select
            label="Protocol"
            value={row.proto}
            choices={PROTOCOLS}
            onValue={proto => setRow(index, { proto })}
          />
          {refused?.of(`rows[${index}].proto`) && (
            <p class="fault">{sentence('The protocol', refused.of(`rows[${index}].proto`)!)}</p>
          )}
        </fieldset>
      ))}
      <div class="row">
        {rows.length < ROWS_MAX && (
          <button type="button" class="small" onClick={() => setRows([...rows, NEW_ROW])}>
            Another port
          </button>
        )}
        {rows.length > 1 && (
          <button type="button" class="small" onClick={() => setRows(rows.slice(0, -1))}>
            Take out the last one
          </button>
        )}
      </div>
      <fieldset>
        <legend>Who may come in</legend>
        <label class="check">
          <input type="radio" name="who" checked={!isPrivate} onChange={() => setPrivate(false)} />
          Everybody who has the ticket
        </label>
        <label class="check">
          <input type="radio" name="who" checked={isPrivate} onChange={() => setPrivate(true)} />
          Only people whom I invite, each with a ticket of their own
        </label>
      </fieldset>
      <details>
        <summary>The game runs on another computer of my home</summary>
        <Field
          label="Its address"
          value={host}
          onValue={setHost}
          fault={refused?.of('host')}
          placeholder="192.168.1.20"
          hint="Left empty, it is this computer."
        />
      </details>
      <Trouble refused={refused} fields={fields} />
      <div class="row end">
        <a class="button" href="#home">
          Back
        </a>
        <button type="submit" class="main" disabled={busy}>
          {busy ? 'One moment ..' : 'Host'}
        </button>
      </div>
    </form>
  )
}
