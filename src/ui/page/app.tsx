/** The page: what it knows of hyper-nat, and which of its views is shown. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Line, View } from '../wire.js'
import { History } from './history.js'
import { Home } from './home.js'
import { HostForm } from './host-form.js'
import { JoinForm } from './join-form.js'
import { Log } from './log.js'
import { Notices, useTitle } from './notices.js'
import { follow, type Link } from './server.js'
import { SettingsForm } from './settings-form.js'
import { Warnings } from './warnings.js'
import { Words, WordsContext } from './words.js'

/** The views besides the home page, by their routes. */
const FORMS = ['#host', '#join', '#settings']

/** Lines of the log that are shown at the most. */
const LINES = 200

const TROUBLE: Readonly<Partial<Record<Link, string>>> = {
  gone: 'hyper-nat is not running. Start it again, and open the new link it shows.',
  silent:
    'hyper-nat is running, but does not answer: it is paused, or very busy. If it has a window, press Enter there: selected text pauses it.',
  strange: 'This link no longer works. Open the one that hyper-nat shows when it starts.',
  full: 'This page is open in too many windows. Close one of the others.'
}

/** Views have names in the address, so that the browser's way back works. */
function useRoute(): string {
  const [route, setRoute] = useState(location.hash)
  useEffect(() => {
    const changed = (): void => {
      setRoute(location.hash)
      scrollTo(0, 0)
    }
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [])
  return route
}

export function App() {
  const [link, setLink] = useState<Link>('opening')
  const [view, setView] = useState<View | null>(null)
  const [lines, setLines] = useState<readonly Line[]>([])
  const history = useRef(new History()).current
  const route = useRoute()
  const [said, say] = useState('')
  const show = useCallback(
    (next: View) => {
      history.note(next)
      setView(next)
    },
    [history]
  )

  useEffect(() => {
    const ended = new AbortController()
    const listener = {
      link: (state: Link) => {
        setLink(state)
        // Whoever answers tells all of its lines.
        if (state === 'up') setLines([])
      },
      view: show,
      lines: (more: readonly Line[]) => setLines(known => [...known, ...more].slice(-LINES))
    }
    void follow(listener, ended.signal)
    return () => ended.abort()
  }, [show])

  const trouble = TROUBLE[link]
  const isGone = link === 'gone' || link === 'silent'
  const shown = link === 'strange' ? null : view
  useTitle(shown, isGone, route)
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const inField = event.target instanceof Element && event.target.closest('input, textarea, select')
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || inField) return
      if (document.querySelector('dialog[open]')) return
      event.preventDefault()
      location.hash = 'host'
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  return (
    <WordsContext.Provider value={new Words(say, show)}>
      <header class="top">
        <a class="brand" href="#home" aria-label="hyper-nat">
          <img src="/icon.svg" alt="" width="28" height="28" /> <span>hyper-nat</span>
        </a>
        {shown && !trouble && (
          <span class={`net ${shown.online ? 'good' : 'wait'}`}>
            {shown.online ? 'Online' : 'Looking for the network'}
          </span>
        )}
        <span class="row push">
          {shown && <Notices view={shown} isGone={isGone} />}
          {shown && !trouble && (
            <a class="button small" href="#settings">
              Settings
            </a>
          )}
        </span>
      </header>
      <main>
        {!shown && <h1>{trouble ? 'hyper-nat is not available' : 'One moment…'}</h1>}
        {trouble && (
          <p class="notice bad" role="alert">
            {trouble}
          </p>
        )}
        {shown && shown.restart.length > 0 && (
          <p class="notice" role="status">
            Restart hyper-nat to apply what changed in {shown.restart.join(', ')}.
          </p>
        )}
        {shown && !isGone && <Warnings warnings={shown.warnings} />}
        {shown && (
          <>
            {route === '#host' && <HostForm view={shown} />}
            {route === '#join' && <JoinForm />}
            {route === '#settings' && <SettingsForm />}
            {!FORMS.includes(route) && <Home view={shown} history={history} isGone={isGone} />}
            <Log lines={lines} />
          </>
        )}
      </main>
      {shown && (
        <footer>
          hyper-nat {shown.version}. Settings are kept in <span class="path">{shown.file}</span>
        </footer>
      )}
      <div class="unseen" role="status">
        {said}
      </div>
    </WordsContext.Provider>
  )
}
