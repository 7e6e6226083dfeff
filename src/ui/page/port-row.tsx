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

/** A row without a protocol is a game's, which has its own. */
export function PortRow({
  row: { ports, proto },
  legend,
  place,
  refused,
  hint,
  onRow
}: {
  row: EditRow
  /** Left out: it is the only one. */
  legend: string | undefined
  /** What faults call it. */
  place: string
  refused: Refused | null
  hint?: string
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
        label={/\D/.test(ports) && proto === undefined ? 'The ports' : 'The port'}
        value={ports}
        onValue={text => onRow({ ports: text })}
        fault={refused?.of(`${place}.ports`)}
        placeholder="25565"
        hint={hint}
        digits
      />
      {proto !== undefined && (
        <Select label="Protocol" value={proto} choices={choices} onValue={next => onRow({ proto: next })} />
      )}
      {fault && <p class="fault">{sentence('The protocol', fault)}</p>}
    </fieldset>
  )
}
