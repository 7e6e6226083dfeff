/** What to host: a game, or ports and protocols; and for whom. */
import { useState } from 'preact/hooks'
import type { GameChoice, HostRow, View } from '../wire.js'
import { GamePicker } from './game-picker.js'
import { PortRows } from './port-rows.js'
import { ask, type Refused } from './server.js'
import { portsText } from './text.js'
import { Field, Title, Trouble, useTask, useWords } from './words.js'

const NEW_ROW: HostRow = { ports: '', proto: 'tcp+udp' }

/** Kinds of ports in one form at the most, as hyper-nat takes them. */
const ROWS_MAX = 16

/** What is hosted: null for what is no game known here. */
type Choice = GameChoice | null

export function HostForm({ view }: { view: View }) {
  const [choice, setChoice] = useState<Choice | undefined>(undefined)
  return (
    <div class="card">
      <Title text="Host" />
      {choice === undefined ? (
        <GamePicker onPick={setChoice} />
      ) : (
        <Details
          key={choice?.id}
          game={choice}
          isHosted={view.servers.some(({ gameIds }) => choice !== null && gameIds.includes(choice.id))}
          onBack={() => setChoice(undefined)}
        />
      )}
    </div>
  )
}

function Details({ game, isHosted, onBack }: { game: Choice; isHosted: boolean; onBack: () => void }) {
  const { say, show } = useWords()
  const { busy, refused, run } = useTask()
  const [name, setName] = useState('')
  const [rows, setRows] = useState<readonly HostRow[]>([NEW_ROW])
  const [ports, setPorts] = useState(game?.ports ?? '')
  const [host, setHost] = useState('')
  const [isPrivate, setPrivate] = useState(false)
  // As it was when the form was opened: once hosted, the game is there before the form has gone.
  const [again] = useState(isHosted)
  const [sure, setSure] = useState(false)
  const submit = (event: Event): void => {
    event.preventDefault()
    void run(async () => {
      const how = { name, host, private: isPrivate }
      const { view } = game
        ? await ask('hostGame', { ...how, game: game.id, ports: ports.trim() === game.ports ? '' : ports })
        : await ask('host', { ...how, rows })
      show(view)
      say('Hosting')
      location.hash = 'home'
    })
  }
  const own = game ? ['ports'] : rows.flatMap((_, i) => [`rows[${i}].ports`, `rows[${i}].proto`])
  return (
    <form onSubmit={submit}>
      {game ? (
        <div class="notice">
          <p>
            <strong>{game.name}</strong>: {portsText(game.maps)}
          </p>
          {game.unplayable === undefined ? (
            <p>{game.help}</p>
          ) : (
            <p class="fault">It does not work through hyper-nat. {game.unplayable}</p>
          )}
        </div>
      ) : (
        <p class="lead">
          Start the game's server on this computer first. Its manual says which port it uses.
        </p>
      )}
      <Field
        label="Name"
        value={name}
        onValue={setName}
        fault={refused?.of('name')}
        placeholder={game ? 'Friday' : 'Games with friends'}
        hint="Your friends see it when they join."
        optional
        focused
      />
      {game ? (
        <Field
          label={/\D/.test(game.ports) ? 'Ports' : 'Port'}
          subject="The port"
          value={ports}
          onValue={setPorts}
          fault={refused?.of('ports')}
          hint="Change this only if your game uses another one."
        />
      ) : (
        <Rows rows={rows} onRows={setRows} refused={refused} />
      )}
      {again && (
        <div class="notice">
          <p>You host this game already. Hosting it again makes a second ticket; the first keeps working.</p>
          <label class="check">
            <input type="checkbox" checked={sure} onChange={event => setSure(event.currentTarget.checked)} />
            Host it a second time
          </label>
        </div>
      )}
      <fieldset>
        <legend>Who can join</legend>
        <label class="check">
          <input type="radio" name="who" checked={!isPrivate} onChange={() => setPrivate(false)} />
          Everyone with the ticket
        </label>
        <label class="check">
          <input type="radio" name="who" checked={isPrivate} onChange={() => setPrivate(true)} />
          Only people I invite, each with their own ticket
        </label>
      </fieldset>
      <details>
        <summary>The game runs on another computer at home</summary>
        <Field
          label="Address"
          value={host}
          onValue={setHost}
          fault={refused?.of('host')}
          placeholder="192.168.1.20"
          hint="Leave it empty for this computer."
        />
      </details>
      <Trouble refused={refused} fields={['name', 'host', ...own]} />
      <div class="row end">
        <button type="button" onClick={onBack}>
          Back
        </button>
        <button
          type="submit"
          class="main"
          disabled={busy || game?.unplayable !== undefined || (again && !sure)}
        >
          {busy ? 'One moment…' : 'Host'}
        </button>
      </div>
    </form>
  )
}

/** Ports and protocols of what is no game known here. */
function Rows({
  rows,
  onRows,
  refused
}: {
  rows: readonly HostRow[]
  onRows: (rows: readonly HostRow[]) => void
  refused: Refused | null
}) {
  return (
    <>
      <PortRows rows={rows} refused={refused} onRows={onRows} />
      <div class="row">
        {rows.length < ROWS_MAX && (
          <button type="button" class="small" onClick={() => onRows([...rows, NEW_ROW])}>
            Add a port
          </button>
        )}
        {rows.length > 1 && (
          <button type="button" class="small" onClick={() => onRows(rows.slice(0, -1))}>
            Remove the last one
          </button>
        )}
      </div>
    </>
  )
}
