/**
 * Ends a wait that takes too long: no test sleeps, it awaits an event with a deadline. `describe` is asked only when time
 * is up, so that it can tell what there was instead.
 */
export async function within<T>(ms: number, wanted: Promise<T>, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${describe()}`)), ms)
  })
  try {
    return await Promise.race([wanted, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waits for something that sends no event (another process's memory, the kernel's tables) by looking at it again and again.
 */
export async function until(
  ms: number,
  what: string,
  holds: () => boolean | Promise<boolean>
): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await pause(20)
  }
}

/** Passes time on purpose: where a test's subject is time itself (idle expiry, a reader that stalls). */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
