import type { Clock } from './clock.js'

/**
 * Waits for all of several jobs, and tells from time to time how many are done.
 * @param everyMs between two times; the first is so long from now
 * @param tell not called any more once all are done, or one has failed
 * @throws what a job throws first
 */
export async function withProgress(
  jobs: readonly Promise<unknown>[],
  clock: Clock,
  everyMs: number,
  tell: (done: number) => void
): Promise<void> {
  let done = 0
  const onTime = (): void => {
    timer = clock.after(everyMs, onTime)
    tell(done)
  }
  let timer = clock.after(everyMs, onTime)
  try {
    await Promise.all(jobs.map(job => job.then(() => done++)))
  } finally {
    timer.cancel()
  }
}
