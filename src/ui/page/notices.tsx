/** Desktop notifications, for people who asked for them and look elsewhere; and what the window's title and icon say. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { View } from '../wire.js'
import { type Condition, conditionOf, connectedIn, newsOf } from './news.js'
import { useWords } from './words.js'

const ICONS: Readonly<Record<Condition, string>> = {
  idle: '/icon.svg',
  waiting: '/icon.svg',
  live: '/icon-live.svg',
  gone: '/icon-gone.svg'
}

/** Browsers without notifications have no button for them. */
const canNotify = 'Notification' in globalThis

/** A button that turns notifications on and off. */
export function Notices({ view }: { view: View }) {
  const { say } = useWords()
  const [on, setOn] = useState(false)
  const before = useRef(view)
  useEffect(() => {
    const news = newsOf(before.current, view)
    before.current = view
    if (!on || document.hasFocus()) return
    for (const text of news) new Notification('hyper-nat', { body: text, icon: '/icon.svg', tag: text })
  }, [view, on])
  const toggle = async (): Promise<void> => {
    if (on) return setOn(false)
    const allowed = (await Notification.requestPermission()) === 'granted'
    setOn(allowed)
    if (!allowed) say('The browser does not allow notifications of this page')
  }
  if (!canNotify) return null
  return (
    <button type="button" class="small push" aria-pressed={on} onClick={toggle}>
      {on ? 'Notifications are on' : 'Notify me'}
    </button>
  )
}

/** Shows in the window's title and icon how things are. */
export function useTitle(view: View | null, isGone: boolean, route: string): void {
  const condition = isGone ? 'gone' : view ? conditionOf(view) : 'idle'
  const count = view ? connectedIn(view) : 0
  useEffect(() => {
    document.querySelector('link[rel=icon]')?.setAttribute('href', ICONS[condition])
    // The other views have titles of their own.
    if (route === '#host' || route === '#join') return
    const what = condition === 'gone' ? 'Not running - ' : condition === 'live' ? `${count} connected - ` : ''
    document.title = `${what}hyper-nat`
  }, [condition, count, route])
}
