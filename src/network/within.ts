import { LONGEST_TIMER_MS } from '../util/clock.js'

/** Waits for something, but not longer than `ms`. */
export async function within(what: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS))
  })
  await Promise.race([what.catch(() => {}), late])
  clearTimeout(timer)
}
