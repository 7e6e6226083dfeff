/** What happened, the newest last. */
import type { Line } from '../wire.js'
import { time } from './text.js'

export function Log({ lines }: { lines: readonly Line[] }) {
  return (
    <details class="log">
      <summary>What happened</summary>
      {lines.length === 0 ? (
        <p class="quiet">Nothing yet.</p>
      ) : (
        // Focusable, so that the keyboard can scroll it.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        <div class="lines" role="log" aria-label="What happened" tabIndex={0}>
          <ol>
            {lines.map(({ number, at, level, text }) => (
              <li key={number} class={level}>
                <time dateTime={new Date(at).toISOString()}>{time(at)}</time>
                <span>{text}</span>
              </li>
            ))}
          </ol>
        </div>
      )}
    </details>
  )
}
