/** What the page asks of hyper-nat, and hears from it. */
import type { Action, Answers, Line, Outcome, Refusal, Requests, View } from '../wire.js'
import { token } from './door.js'

/** Between two tries to reach a hyper-nat that does not answer. */
const RETRY_MS = 1000

/** Views come each second: without one for so long, hyper-nat hangs. */
const SILENT_MS = 5000

/**
 * Whether hyper-nat is there: `gone` while nothing listens, `silent` while it runs and does not answer, `strange` when the link is of another
 * start.
 */
export type Link = 'opening' | 'up' | 'gone' | 'silent' | 'strange' | 'full'

/** Something that hyper-nat did not do, and why. */
export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message)
  }

  /** What is wrong with a field. */
  of(field: string): string | undefined {
    return this.refusal.faults.find(fault => fault.field === field)?.message
  }
}

const GONE: Refusal = {
  code: 'GONE',
  message: 'hyper-nat is not running any more. Start it again.',
  faults: []
}

const headers = (): Record<string, string> => ({
  Authorization: `Bearer ${token() ?? ''}`,
  'Content-Type': 'application/json'
})

/** @throws Refused */
export async function ask<A extends Action>(action: A, request: Requests[A]): Promise<Answers[A]> {
  let answer: Response
  try {
    answer = await fetch(`/api/${action}`, {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify(request)
    })
  } catch {
    throw new Refused(GONE)
  }
  if (!answer.ok) throw new Refused((await answer.json()) as Refusal)
  const outcome = (await answer.json()) as Outcome<A>
  if ('refused' in outcome) throw new Refused(outcome.refused)
  return outcome.done
}

export interface Listener {
  link(state: Link): void
  view(view: View): void
  lines(lines: readonly Line[]): void
}

/** Follows hyper-nat until `signal` ends it, over its restarts, too. */
export async function follow(listener: Listener, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const round = new AbortController()
    // AbortSignal.any is newer than some of the browsers that the page is for.
    const end = (): void => round.abort()
    signal.addEventListener('abort', end)
    let heard = true
    let timer: ReturnType<typeof setInterval> | undefined
    try {
      const answer = await fetch('/api/live', { headers: headers(), signal: round.signal })
      if (answer.status === 401) return listener.link('strange')
      if (answer.ok && answer.body) {
        listener.link('up')
        // At least once between two looks: after a sleep of the computer, the first one may come before any view.
        timer = setInterval(() => {
          if (!heard) end()
          heard = false
        }, SILENT_MS)
        for await (const { event, data } of eventsOf(answer.body)) {
          heard = true
          if (event === 'view') listener.view(JSON.parse(data))
          else if (event === 'lines') listener.lines(JSON.parse(data))
        }
      } else listener.link('full')
      if (answer.ok) listener.link('gone')
    } catch {
      if (signal.aborted) return
      listener.link(round.signal.aborted ? 'silent' : 'gone')
    } finally {
      clearInterval(timer)
      signal.removeEventListener('abort', end)
    }
    await new Promise(resolve => setTimeout(resolve, RETRY_MS))
  }
}

interface ServerEvent {
  readonly event: string
  readonly data: string
}

/** Server-sent events. The browser's own reader of them cannot send the token in a header. */
async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const parts = (text + value).split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const fields = new Map(part.split('\n').map(line => splitOnce(line)))
      yield { event: fields.get('event') ?? 'message', data: fields.get('data') ?? '' }
    }
  }
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(': ')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 2)]
}
