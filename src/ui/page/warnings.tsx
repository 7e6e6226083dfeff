/** What does not work as it should, with what to do about it. */
import type { WarningView } from '../wire.js'
import { ask } from './server.js'
import { Trouble, useTask, useWords } from './words.js'

/** @param onPort shares another port instead; left out: there is no choice */
export function Warnings({
  warnings,
  onPort
}: {
  warnings: readonly WarningView[]
  onPort?: ((port: number) => void) | undefined
}) {
  return (
    <>
      {warnings.map(warning => (
        <Warning key={warning.id ?? warning.text} warning={warning} onPort={onPort} />
      ))}
    </>
  )
}

function Warning({
  warning: { id, text, port },
  onPort
}: {
  warning: WarningView
  onPort: ((port: number) => void) | undefined
}) {
  const { show } = useWords()
  const { busy, refused, run } = useTask()
  const hide = (): Promise<void> => run(async () => show((await ask('hide', { id: id! })).view))
  return (
    <div class="notice warn row" role="status">
      <p>{text}</p>
      <span class="row push">
        {port !== undefined && onPort && (
          <button type="button" class="small" onClick={() => onPort(port)}>
            Share port {port} instead
          </button>
        )}
        {id !== undefined && (
          <button type="button" class="small" disabled={busy} aria-label={`Hide: ${text}`} onClick={hide}>
            Hide
          </button>
        )}
      </span>
      <Trouble refused={refused} />
    </div>
  )
}
