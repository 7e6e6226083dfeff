/** One session: how it travels, its numbers now, and its plots for who wants them. */
import { useId, useState } from 'preact/hooks'
import { bytesText } from '../../text/bytes.js'
import type { SessionView } from '../wire.js'
import type { History } from './history.js'
import { Plots } from './plot.js'
import { PATHS, percent, ping } from './text.js'

/** How long a session lasts until its share of lost pings tells anything. */
const SETTLED_MS = 15_000

/** From this share on, loss is told beside the ping. */
const NOTICED_LOSS = 0.005

export function SessionRow({
  session,
  history,
  at,
  who
}: {
  session: SessionView
  history: History
  at: number
  who: string
}) {
  const [open, setOpen] = useState(false)
  const id = useId()
  const word = open ? 'Hide plots' : 'Plots'
  const settled = at - session.since >= SETTLED_MS
  const last = history.of(session.id).at(-1)
  return (
    <div class="session">
      <div class="row numbers">
        <span class={`pill ${session.state === 'up' ? session.path : 'lost'}`}>
          {session.path ? PATHS[session.path] : 'Connection lost'}
        </span>
        <span class="ping">{ping(session)}</span>
        {settled && session.loss >= NOTICED_LOSS && <span class="loss">{percent(session.loss)} lost</span>}
        <span class="quiet">
          <span aria-hidden="true">{'\u2193'}</span>
          <span class="unseen">in </span> {bytesText(last?.inRate ?? 0)}/s{' '}
          <span aria-hidden="true">{'\u2191'}</span>
          <span class="unseen">out </span> {bytesText(last?.outRate ?? 0)}/s
        </span>
        <button
          type="button"
          class="small push"
          aria-expanded={open}
          aria-controls={id}
          aria-label={`${word} of ${who}`}
          onClick={() => setOpen(!open)}
        >
          {word}
        </button>
      </div>
      <div id={id}>{open && <Plots session={session} history={history} at={at} />}</div>
    </div>
  )
}
