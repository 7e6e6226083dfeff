/** Desktop notifications, for people who asked for them and look elsewhere; and what the window's title and icon say. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { View } from '../wire.js'
import { type Condition, conditionOf, connectedIn, newsOf } from './news.js'
import { useWords } from './words.js'

const ICONS: Readonly<Record<Condition, string>> = {
  idle: '/icon.svg',
  live: '/icon-live.svg',
  gone: '/icon-gone.svg'
}

/** Views that have a title of their own, by their routes. */
const TITLES: Readonly<Record<string, string>> = { '#host': 'Host', '#join': 'Join', '#settings': 'Settings' }

/** Browsers without notifications have no button for them. */
const canNotify = 'Notification' in globalThis

/** Where this window keeps that notifications are on. */
const KEY = 'hyper-nat notices'

/**
 * A button that turns notifications on and off.
 * @param isGone whether hyper-nat does not answer any more
 */
export function Notices({ view, isGone }: { view: View; isGone: boolean }) {
  const { say } = useWords()
  const [on, setOn] = useState(canNotify && sessionStorage.getItem(KEY) !== null)
  const [isBlocked, setBlocked] = useState(false)
  const before = useRef({ view, isGone })
  useEffect(() => {
    const past = before.current
    before.current = { view, isGone }
    if (!on || document.hasFocus()) return
    const news = [
      ...newsOf(past.view, view),
      ...(isGone && !past.isGone ? ['hyper-nat has stopped: nobody can join any more'] : [])
    ]
    for (const text of news) new Notification('hyper-nat', { body: text, icon: '/icon.svg', tag: text })
  }, [view, on, isGone])
  const turn = (next: boolean): void => {
    setOn(next)
    if (next) sessionStorage.setItem(KEY, 'on')
    else sessionStorage.removeItem(KEY)
  }
  const toggle = async (): Promise<void> => {
    if (on) return turn(false)
    const allowed = (await Notification.requestPermission()) === 'granted'
    turn(allowed)
    setBlocked(!allowed)
    if (!allowed) say('Your browser blocks notifications from this page')
  }
  if (!canNotify || isGone) return null
  return (
    <button type="button" class="small" aria-pressed={on} onClick={toggle}>
      {on ? 'Notifications are on' : isBlocked ? 'Blocked by the browser' : 'Notify me'}
    </button>
  )
}

/** Shows in the window's title and icon how things are. */
export function useTitle(view: View | null, isGone: boolean, route: string): void {
  const condition = isGone ? 'gone' : view ? conditionOf(view) : 'idle'
  const count = view ? connectedIn(view) : 0
  useEffect(() => {
    document.querySelector('link[rel=icon]')?.setAttribute('href', ICONS[condition])
    const how = condition === 'gone' ? 'Not running' : condition === 'live' ? `${count} connected` : undefined
    document.title = [how, TITLES[route], 'hyper-nat'].filter(Boolean).join(' - ')
  }, [condition, count, route])
}
