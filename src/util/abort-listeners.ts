import { setMaxListeners } from 'node:events'

/** One signal may end any number of things: Node.js 20 takes more than 10 for a leak, and warns of it. */
export function allowListeners(signal: AbortSignal): void {
  // What stands in for a signal has no such warning.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
}
