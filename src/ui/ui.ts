/**
 * The page on this computer: an HTTP server on 127.0.0.1 for one person, who hosts, joins and watches in a browser.
 *
 *     request -> guard (Host, Origin) -> token -> action -> options file -> daemon's reload
 *                                             \-> events: the daemon's status, once a second while somebody looks
 *
 * Nothing runs while nobody looks.
 */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type SSEStreamingApi, streamSSE } from 'hono/streaming'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { codeOf, HyperNatError, OptionsError } from '../errors.js'
import type { DaemonEvent } from '../events.js'
import { HttpServer } from '../http/server.js'
import type { UiLimits } from '../limits.js'
import type { Journal } from '../log/journal.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import { friendsFile } from '../options/friends.js'
import { isOwnConnection } from '../programs/connection-owner.js'
import { readAny, shippedPath } from '../shipped.js'
import type { Status } from '../status.js'
import { cut } from '../text/quote.js'
import { type Clock, wallClock } from '../util/clock.js'
import { Actions, type Changeable } from './actions.js'
import { HEADERS, PAGE_HOST, refusalOf } from './guard.js'
import { Keys } from './keys.js'
import { lineOf } from './lines.js'
import { isAction } from './requests.js'
import { viewOf } from './view.js'
import { Warnings } from './warnings.js'
import type { Action, Line, Outcome, Refusal, View } from './wire.js'

/** What the page needs of a daemon. */
export interface UiDaemon extends Changeable {
  status(): Status
  /** What has happened, and what does. */
  readonly journal: Journal
  on(name: 'event', listener: (event: DaemonEvent) => void): unknown
  /** A reload begins to change what runs. */
  on(name: 'changing', listener: () => void): unknown
  off(name: 'event', listener: (event: DaemonEvent) => void): unknown
  off(name: 'changing', listener: () => void): unknown
}

export interface UiParts {
  readonly daemon: UiDaemon
  /** The options file; it need not be there yet. */
  readonly file: string
  /** To listen on; 0 for any free one. */
  readonly port: number
  readonly clock: Clock
  readonly limits: UiLimits
  readonly log: Log
}

/** Between two log lines of one kind that need no token to cause: without this, they could push all others out of the log. */
const STRANGER_REST_MS = 60_000

/** Characters of a request in such a line. */
const LOGGED_CHARACTERS = 100

/** The files of the page, as scripts/page.mjs builds them beside this one. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/main.js': ['main.js', 'text/javascript; charset=utf-8'],
  '/main.css': ['main.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
  '/icon-live.svg': ['icon-live.svg', 'image/svg+xml'],
  '/icon-gone.svg': ['icon-gone.svg', 'image/svg+xml']
}

export class Ui {
  readonly #parts: UiParts
  readonly #keys: Keys
  readonly #actions: Actions
  readonly #closing = new AbortController()
  readonly #server: HttpServer
  readonly #warnings: Warnings
  readonly #listener = (event: DaemonEvent): void => this.#note(event)
  readonly #onChanging = (): void => this.#warnings.changing()
  readonly #files = new Map<string, { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string }>()
  #restart: readonly string[] = []
  #windows = 0

  constructor(parts: UiParts) {
    const { daemon, file, clock, limits } = parts
    this.#parts = parts
    this.#warnings = new Warnings(limits.warnings)
    this.#keys = new Keys(() => clock.now(), limits.codeMs)
    this.#actions = new Actions({
      file,
      friendsFile: friendsFile(),
      daemon,
      clock,
      limits,
      view: () => this.#view(),
      hide: id => this.#warnings.hide(id),
      timeOfDay: wallClock
    })
    this.#server = new HttpServer(this.#routes(), limits)
    daemon.on('event', this.#listener)
    daemon.on('changing', this.#onChanging)
  }

  /**
   * Listens.
   * @returns links to open the page with: one while this runs, and one that holds for one use and a minute
   * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED
   */
  async start(): Promise<{ url: string; once: string }> {
    const { port } = this.#parts
    for (const [path, [file, type]] of Object.entries(FILES)) {
      const bytes = readAny(shippedPath(`dist/src/ui/page/${file}`))
      this.#files.set(path, { bytes: new Uint8Array(bytes), type })
    }
    try {
      await this.#server.listen(port, PAGE_HOST)
    } catch (cause) {
      if (codeOf(cause) === 'EADDRINUSE') {
        const message = `Port ${port} of ${PAGE_HOST} is in use. Choose another port for the control page, or 0 for any free one.`
        throw new HyperNatError('PORT_IN_USE', message, { cause })
      }
      const message = `The page cannot have port ${port} of ${PAGE_HOST} (${codeOf(cause)}): choose another one, or 0 for any free one.`
      throw new HyperNatError('LISTEN_FAILED', message, { cause })
    }
    return this.links(true)
  }

  /**
   * Links to open the page with, once it has started.
   * @param once whether one is wanted that holds for one use and a minute
   */
  links(once: true): { url: string; once: string }
  links(once?: false): { url: string }
  links(once = false): { url: string; once?: string } {
    const page = `http://${PAGE_HOST}:${this.#port}/`
    return {
      url: `${page}#token=${this.#keys.token}`,
      ...(once && { once: `${page}#code=${this.#keys.newCode()}` })
    }
  }

  async close(): Promise<void> {
    this.#parts.daemon.off('event', this.#listener)
    this.#parts.daemon.off('changing', this.#onChanging)
    this.#closing.abort()
    await this.#server.close()
  }

  get #port(): number {
    return this.#server.port
  }

  #routes(): Hono {
    const { clock, limits, log } = this.#parts
    const throttle = new LogThrottle(clock, STRANGER_REST_MS)
    const app = new Hono()
    app.use(async (c, next) => {
      const sender = {
        host: c.req.header('host'),
        origin: c.req.header('origin'),
        site: c.req.header('sec-fetch-site')
      }
      const refusal = refusalOf(sender, this.#port)
      if (refusal === undefined) await next()
      else {
        if (throttle.admits('refused')) {
          log.info(
            { host: logged(sender.host), origin: logged(sender.origin) },
            'a request from elsewhere to the page was refused'
          )
        }
        c.res = refuse(c, 403, new HyperNatError('REFUSED', refusal))
      }
      for (const [name, value] of Object.entries(HEADERS)) c.header(name, value)
    })
    app.use(
      '/api/*',
      bodyLimit({
        maxSize: limits.bodyBytes,
        onError: c => refuse(c, 413, new HyperNatError('REFUSED', 'That is too much text for this page.'))
      })
    )
    app.post('/api/enter', async c => {
      const { code } = ((await bodyOf(c)) ?? {}) as { code?: unknown }
      const { socket } = (c.env as HttpBindings).incoming
      // Other users of this computer may have read it in the arguments of the browser.
      const isOwn = typeof code === 'string' && (await isOwnConnection(socket))
      if (typeof code === 'string' && !isOwn && throttle.admits('another user'))
        log.warn('another user of this computer has tried a link to the page')
      const token = isOwn ? this.#keys.exchange(code) : undefined
      return token === undefined ? strange(c) : c.json({ token })
    })
    app.use('/api/*', async (c, next) => {
      if (!this.#keys.admits(c.req.header('authorization'))) return strange(c)
      return next()
    })
    app.get('/api/live', c => {
      if (this.#windows < limits.windows) {
        const failed = async (err: Error): Promise<void> =>
          log.error({ err }, 'the page cannot be kept up to date')
        return streamSSE(c, stream => this.#show(stream), failed)
      }
      const message = 'This page is open in too many windows: close one of the others.'
      return refuse(c, 503, new HyperNatError('REFUSED', message))
    })
    app.post('/api/:action', async c => {
      const action = c.req.param('action')
      if (!isAction(action)) return c.notFound()
      return c.json(await this.#outcome(action, await bodyOf(c)))
    })
    app.get('*', c => {
      const file = this.#files.get(c.req.path)
      return file ? c.body(file.bytes, 200, { 'Content-Type': file.type }) : c.notFound()
    })
    app.notFound(c => refuse(c, 404, new HyperNatError('REFUSED', 'There is nothing here.')))
    app.onError((err, c) => {
      // Hono cannot handle some requests at all: one with a password in its URL, say, which the message then repeats.
      if (throttle.admits('failed')) {
        log.error({ code: codeOf(err), reason: logged(err.message) }, 'a request of the page failed')
      }
      log.debug({ err }, 'a request of the page failed')
      return refuse(c, 500, err)
    })
    return app
  }

  async #outcome(action: Action, body: unknown): Promise<Outcome<Action>> {
    try {
      return { done: await this.#actions.run(action, body) }
    } catch (err) {
      if (err instanceof HyperNatError) return { refused: refusalFor(err) }
      throw err
    }
  }

  /** Keeps one window up to date; a slow one gets fewer views, and whatever lines are kept by then. */
  async #show(stream: SSEStreamingApi): Promise<void> {
    const { clock, daemon, limits } = this.#parts
    const { signal } = this.#closing
    const lines: Line[] = []
    let count = 0
    const add = (text: string): void => {
      const line = lineOf(text, limits.lineLength)
      if (line) lines.push({ number: ++count, ...line })
      if (lines.length > limits.lines) lines.shift()
    }
    daemon.journal.last(limits.lines).forEach(add)
    const unfollow = daemon.journal.follow(add)
    let wake: () => void = () => {}
    const over = (): void => wake()
    this.#windows++
    try {
      stream.onAbort(over)
      signal.addEventListener('abort', over)
      while (!stream.aborted && !signal.aborted) {
        await stream.writeSSE({ event: 'view', data: JSON.stringify(this.#view()) })
        if (lines.length > 0) {
          await stream.writeSSE({ event: 'lines', data: JSON.stringify(lines.splice(0)) })
        }
        await new Promise<void>(resolve => {
          const timer = clock.after(limits.viewMs, resolve)
          wake = () => {
            timer.cancel()
            resolve()
          }
          if (stream.aborted || signal.aborted) wake()
        })
      }
    } finally {
      signal.removeEventListener('abort', over)
      unfollow()
      this.#windows--
    }
  }

  #view(): View {
    const { daemon, file } = this.#parts
    return viewOf(daemon.current, daemon.status(), {
      file,
      restart: this.#restart,
      warnings: this.#warnings.list
    })
  }

  #note(event: DaemonEvent): void {
    this.#warnings.note(event)
    if (event.event === 'reloaded') this.#restart = event.restart
  }
}

function logged(text: string | undefined): string | undefined {
  return text === undefined ? undefined : cut(text, LOGGED_CHARACTERS)
}

/** What came as JSON; undefined for anything else. */
async function bodyOf(c: Context): Promise<unknown> {
  try {
    return await c.req.json()
  } catch {
    return undefined
  }
}

function strange(c: Context): Response {
  const message = 'This link is not valid any more. Open the one that hyper-nat showed when it started.'
  return refuse(c, 401, new HyperNatError('REFUSED', message))
}

function refuse(c: Context, status: ContentfulStatusCode, err: Error): Response {
  return c.json(refusalFor(err), status)
}

function refusalFor(err: Error): Refusal {
  const faults = err instanceof OptionsError ? err.faults : []
  return {
    code: codeOf(err),
    message: err instanceof HyperNatError ? err.message : 'hyper-nat could not do this. Its log says why.',
    faults: faults.map(({ path, message }) => ({ field: path, message }))
  }
}
