/** Runs one task of each key at a time: callers that come while it runs share its result. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  /** @param key what the task is about, if there are several */
  run(task: () => Promise<T>, key = ''): Promise<T> {
    const running = this.#running.get(key)
    if (running) return running
    const started = task().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }
}
