/** What to do in games that are hosted or were joined. */
import type { GameView } from '../wire.js'

/** @param whose LAN list: the game's here, or that of friends */
export function Games({ games, whose = 'your game' }: { games: readonly GameView[]; whose?: string }) {
  if (games.length === 0) return null
  return (
    <div class="notice">
      {games.map(({ title, help, listed }) => (
        <div key={help}>
          <p>
            {games.length > 1 && <strong>{title}: </strong>}
            {help}
          </p>
          {listed && <p class="quiet">It shows up in the LAN list of {whose} by itself.</p>}
        </div>
      ))}
    </div>
  )
}
