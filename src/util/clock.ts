/** The clock that the pure rooms take as an argument, so that tests can pass a virtual one. */
export interface Clock {
  /** Milliseconds of a monotonic clock, with a fraction. */
  now(): number
  /** Runs `fn` once, `ms` from now (0 or more). */
  after(ms: number, fn: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** The longest time that the system's timers take, some 24 days: with a longer one they fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The system's monotonic clock. Its timers do not keep the process alive: sockets do. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const handle = setTimeout(fn, Math.min(ms, LONGEST_TIMER_MS))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** Milliseconds since 1970, by the system's adjustable clock. */
export function wallClock(): number {
  return Date.now()
}
