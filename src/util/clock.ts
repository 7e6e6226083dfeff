/** Time as the pure rooms see it: an argument, so that tests can bring a virtual one. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; may have a fraction. */
  now(): number
  /** Runs `fn` once, `ms` from now (0 or more). */
  after(ms: number, fn: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** The machine's monotonic clock. Its timers do not keep the process alive: sockets do. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const handle = setTimeout(fn, ms)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** Milliseconds since 1970, by a clock that people and programs may set at any time. */
export function wallClock(): number {
  return Date.now()
}
