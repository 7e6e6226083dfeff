/** Ports with the protocols that they are shared by, in a form. */
import type { EditRow } from '../wire.js'
import type { Refused } from './server.js'
import { sentence } from './text.js'
import { Field, Select } from './words.js'

const PROTOCOLS: readonly (readonly [proto: string, text: string])[] = [
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['tcp+udp', 'TCP and UDP'],
  ['tcpudp', 'TCP over UDP']
]

/** One row below the other. Only the last may be taken out: nothing but its place tells a row from the others. */
export function PortRows<Row extends EditRow>({
  rows,
  refused,
  onRows
}: {
  rows: readonly Row[]
  refused: Refused | null
  onRows: (rows: readonly Row[]) => void
}) {
  const setRow = (index: number, change: Partial<EditRow>): void =>
    onRows(rows.map((row, i) => (i === index ? { ...row, ...change } : row)))
  return (
    <>
      {rows.map((row, index) => (
        <PortRow
          key={index}
          row={row}
          legend={rows.length > 1 ? `Ports ${index + 1}` : undefined}
          place={`rows[${index}]`}
          refused={refused}
          onRow={change => setRow(index, change)}
        />
      ))}
    </>
  )
}

/** A row without a protocol is a game's, which has its own. */
function PortRow({
  row: { ports, proto },
  legend,
  place,
  refused,
  onRow
}: {
  row: EditRow
  /** Left out: it is the only one. */
  legend: string | undefined
  /** What faults call it. */
  place: string
  refused: Refused | null
  onRow: (change: Partial<EditRow>) => void
}) {
  const fault = refused?.of(`${place}.proto`)
  // What the file says may be another combination.
  const choices =
    proto === undefined || PROTOCOLS.some(([known]) => known === proto)
      ? PROTOCOLS
      : [...PROTOCOLS, [proto, proto] as const]
  return (
    <fieldset class="ports">
      <legend class={legend === undefined ? 'unseen' : ''}>{legend ?? 'Ports'}</legend>
      <Field
        label={/\D/.test(ports) && proto === undefined ? 'Ports' : 'Port'}
        subject="The port"
        value={ports}
        onValue={text => onRow({ ports: text })}
        fault={refused?.of(`${place}.ports`)}
        placeholder="25565"
        digits
      />
      {proto !== undefined && (
        <Select label="Protocol" value={proto} choices={choices} onValue={next => onRow({ proto: next })} />
      )}
      {fault && <p class="fault">{sentence('The protocol', fault)}</p>}
    </fieldset>
  )
}
