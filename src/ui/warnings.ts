/**
 * Warnings that still hold, as far as can be told: a reload that changes a server, a program that answers where it is shared, or a
 * person who has read them, ends them.
 */
import type { DaemonEvent, ServerMapInfo } from '../events.js'

/** A warning of the running daemon. */
export interface RunningWarning {
  /** Tells it from others. */
  readonly id: number
  readonly code: string
  readonly message: string
  /** The server that it is about, in base58; left out: hyper-nat as a whole. */
  readonly publicKey?: string
  /** A port that is meant, most likely, instead of the one that is shared. */
  readonly port?: number
  /** Where the program is, most likely, instead of where it is shared from. */
  readonly host?: string
  /** The port maps that wait for it. */
  readonly maps?: readonly ServerMapInfo[]
}

export class Warnings {
  readonly #most: number
  #list: readonly RunningWarning[] = []
  #count = 0
  /** The last one before what runs began to change. */
  #before = Number.POSITIVE_INFINITY

  /** @param most how many are kept; older ones make way */
  constructor(most: number) {
    this.#most = most
  }

  /** Those that hold, the oldest first. */
  get list(): readonly RunningWarning[] {
    return this.#list
  }

  note(event: DaemonEvent): void {
    if (event.event === 'warning') {
      const { event: _, ...warning } = event
      const others = this.#list.filter(one => !isReplaced(one, warning))
      this.#list = [...others, { id: ++this.#count, ...warning }].slice(-this.#most)
    } else if (event.event === 'target' && event.state === 'answers') {
      this.#list = this.#list.filter(
        ({ publicKey, maps = [] }) => publicKey !== event.publicKey || !maps.some(map => isSame(map, event))
      )
    } else if (event.event === 'reloaded') {
      const changed = new Set([...event.added, ...event.removed].map(({ publicKey }) => publicKey))
      this.#list = this.#list.filter(
        ({ id, publicKey }) => id > this.#before || (publicKey !== undefined && !changed.has(publicKey))
      )
    }
  }

  /** A reload begins: its own warnings stay valid after it. */
  changing(): void {
    this.#before = this.#count
  }

  hide(id: number): void {
    this.#list = this.#list.filter(one => one.id !== id)
  }
}

/** Whether a later warning says the same, or says where else the program of the same port maps is by now. */
function isReplaced(one: RunningWarning, later: Omit<RunningWarning, 'id'>): boolean {
  if (one.publicKey !== later.publicKey) return false
  if (one.message === later.message) return true
  return (
    one.code === later.code && one.maps?.some(map => later.maps?.some(other => isSame(map, other))) === true
  )
}

function isSame(a: ServerMapInfo, b: ServerMapInfo): boolean {
  return a.proto === b.proto && a.port === b.port && a.host === b.host
}
