/** Events and log lines of the journal, as people read them. */
import type { DaemonEvent } from '../events.js'
import { titleOf } from '../games/games.js'
import { runningTexts, waitingTexts } from '../games/help.js'
import { shortKey } from '../identity/encoding.js'
import { quoteName } from '../text/quote.js'
import type { Line } from './wire.js'

type Told = Pick<Line, 'level' | 'text'>

/** What pino writes. */
interface Logged {
  readonly level: string
  readonly msg?: string
}

const LEVELS: Readonly<Record<string, Line['level']>> = { warn: 'warning', error: 'error', fatal: 'error' }

/**
 * @param text a line of the journal: an event or a log line as JSON, with its `time`
 * @param length characters that are kept of it
 * @returns undefined for what is no news to a person
 */
export function lineOf(text: string, length: number): Omit<Line, 'number'> | undefined {
  const { time, ...rest } = JSON.parse(text) as { time: string } & (DaemonEvent | Logged)
  const told = 'event' in rest ? tell(rest) : logged(rest)
  if (!told) return undefined
  const shown = told.text.length > length ? `${told.text.slice(0, length - 2)}..` : told.text
  return { at: Date.parse(time), level: told.level, text: shown }
}

function logged({ level, msg }: Logged): Told | undefined {
  return msg === undefined ? undefined : { level: LEVELS[level] ?? 'info', text: msg }
}

function tell(event: DaemonEvent): Told | undefined {
  switch (event.event) {
    case 'ready': {
      const ports = event.maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')
      const does = event.mode === 'server' ? 'Sharing' : 'Ready to join: local ports for'
      return { level: 'info', text: `${does} ${ports} (${shortKey(event.publicKey)})` }
    }
    case 'connected':
      return { level: 'info', text: `${who(event)} connected (${event.path})` }
    case 'disconnected':
      return { level: 'info', text: `${who(event)} disconnected (${event.code})` }
    case 'waiting':
      return { level: 'info', text: `Waiting for ${shortKey(event.publicKey)}: ${event.message}` }
    case 'target': {
      const { state } = event
      return state === 'closed'
        ? { level: 'warning', text: waitingTexts([event], titleOf)[0]! }
        : { level: 'info', text: runningTexts([event], titleOf)[0]! }
    }
    case 'announced':
      return { level: 'info', text: 'Announced: friends can join now' }
    case 'warning':
    case 'error':
      return { level: event.event, text: event.message }
    default:
      return undefined
  }
}

function who({ publicKey, peer, name }: { publicKey: string; peer: string; name?: string }): string {
  if (peer === publicKey) return `Server ${shortKey(peer)}`
  return `Guest ${name === undefined ? shortKey(peer) : quoteName(name)}`
}
