/**
 * The way in: the token, or a code for it, comes in the fragment of the link, and leaves the address bar at once. It is kept for
 * this window only, and for as long as that is open, so that the page can be loaded again.
 */
const KEY = 'hyper-nat token'

export function token(): string | null {
  return sessionStorage.getItem(KEY)
}

/** Takes the token out of the link that the page was opened with. */
export async function enter(): Promise<void> {
  const given = new URLSearchParams(location.hash.slice(1))
  const code = given.get('code')
  const known = given.get('token')
  if (code === null && known === null) return
  history.replaceState(null, '', location.pathname)
  if (known !== null) {
    sessionStorage.setItem(KEY, known)
    return
  }
  const answer = await fetch('/api/enter', { method: 'POST', body: JSON.stringify({ code }) })
  // A link of before, opened again in a window that is in already.
  if (answer.ok) sessionStorage.setItem(KEY, ((await answer.json()) as { token: string }).token)
}
