/** Whether something is going on, as far as any of several observers can tell: until the latest time that one of them gave. */
export class Activity {
  #until = Number.NEGATIVE_INFINITY

  /** It goes on until at least `until`, ms by the clock of all observers. */
  extend(until: number): void {
    if (until > this.#until) this.#until = until
  }

  isOn(now: number): boolean {
    return now < this.#until
  }
}
