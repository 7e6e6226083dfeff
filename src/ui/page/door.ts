/**
 * The way in: the token, or a code for it, comes in the fragment of the link, and leaves the address bar at once. It is kept for
 * this window only, and for as long as that is open, so that the page can be loaded again.
 */
const KEY = 'hyper-nat token'

export function token(): string | null {
  return sessionStorage.getItem(KEY)
}

/** What the link in the address bar lets in with. */
function given(): { readonly code: string | null; readonly known: string | null } {
  const fields = new URLSearchParams(location.hash.slice(1))
  return { code: fields.get('code'), known: fields.get('token') }
}

/** Enters again by a link that is opened in this window, as browsers do not load a page again that differs in its fragment alone. */
export function watchLinks(): void {
  addEventListener('hashchange', () => {
    const { code, known } = given()
    if (code !== null || known !== null) location.reload()
  })
}

/** Takes the token out of the link that the page was opened with. */
export async function enter(): Promise<void> {
  const { code, known } = given()
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
