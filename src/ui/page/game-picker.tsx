/** A game out of the many that can be hosted by name. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { GameChoice } from '../wire.js'
import { ask, Refused } from './server.js'
import { portsText } from './text.js'
import { Field } from './words.js'

/** @param onPick gets null for what has no name here: it is shared by its ports */
export function GamePicker({ onPick }: { onPick: (game: GameChoice | null) => void }) {
  const [games, setGames] = useState<readonly GameChoice[] | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  const [text, setText] = useState('')
  // Enter was pressed before the games were there.
  const hasty = useRef(false)
  useEffect(() => {
    ask('games', {}).then(
      answer => setGames([...answer.games].sort((a, b) => a.name.localeCompare(b.name))),
      err => setFault(err instanceof Refused ? err.message : String(err))
    )
  }, [])
  const found = useMemo(() => {
    const meant = games?.filter(game => isMeant(game, text)) ?? []
    return [...meant].sort((a, b) => nearness(b, text) - nearness(a, text))
  }, [games, text])
  useEffect(() => {
    // The search closes with Escape; forms do not, for the sake of what was typed. Input methods end a composition with it.
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.isComposing) location.hash = 'home'
      // The key that opens the search is also pressed in it.
      const isEmpty = event.target instanceof HTMLInputElement && event.target.value === ''
      if (event.key === '/' && isEmpty) event.preventDefault()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  const pickFirst = (event: Event): void => {
    event.preventDefault()
    if (!games) hasty.current = true
    else if (text.trim() !== '' && found[0]) onPick(found[0])
  }
  useEffect(() => {
    if (games && hasty.current && text.trim() !== '' && found[0]) onPick(found[0])
    hasty.current = false
  }, [games])
  return (
    <>
      <form onSubmit={pickFirst}>
        <Field label="Which game?" value={text} onValue={setText} placeholder="Minecraft" focused />
      </form>
      {fault !== null && (
        <p class="notice bad" role="alert">
          {fault}
        </p>
      )}
      <ul class="games" aria-label="Games">
        {found.map(game => (
          <li key={game.id}>
            <button type="button" onClick={() => onPick(game)}>
              {game.name} <span class="quiet">{portsText(game.maps)}</span>
              {game.unplayable !== undefined && <span class="fault"> Does not work: {game.unplayable}</span>}
            </button>
          </li>
        ))}
      </ul>
      <p class="quiet" role="status">
        {games && found.length === 0 && 'hyper-nat does not know this game. Share it by its ports.'}
      </p>
      <div class="row end">
        <a class="button" href="#home">
          Back
        </a>
        <button type="button" onClick={() => onPick(null)}>
          Another game or program
        </button>
      </div>
    </>
  )
}

/** Whether each word is in the name, in whatever way it is written. */
function isMeant({ id, name, aliases }: GameChoice, text: string): boolean {
  const where = [id, name, ...aliases].join(' ').toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every(word => where.includes(word))
}

/** How well a game fits what was typed: all of a word for it, the beginning of its name or of another word, or something in them. */
function nearness({ id, name, aliases }: GameChoice, text: string): number {
  const typed = text.trim().toLowerCase()
  const others = [id, ...aliases]
  if (others.includes(typed)) return 3
  if (name.toLowerCase().startsWith(typed)) return 2
  return others.some(word => word.startsWith(typed)) ? 1 : 0
}
