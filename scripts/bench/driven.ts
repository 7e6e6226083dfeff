// Processes that the bench tells what to do, one thing at a time.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { findProgram } from '../../test/support/programs.js'

/** What a parent asks for, and gets, by name. */
type Orders<O> = { [K in keyof O]: readonly [order: unknown, result: unknown] }

export class DrivenProcess<O extends Orders<O>> {
  readonly #child: ChildProcess
  /** Takes the next answer. */
  #answered: (answer: { result?: unknown; error?: string }) => void = () => {}

  /**
   * @param file what it runs; it calls {@link obey}
   * @param core where it runs, if that can be chosen; left out: anywhere
   */
  constructor(file: string, core?: number) {
    const taskset = core !== undefined && cpus().length > 1 ? findProgram('taskset') : undefined
    this.#child = taskset
      ? fork(file, { execPath: taskset, execArgv: ['-c', `${core}`, process.execPath, '--expose-gc'] })
      : fork(file, { execArgv: ['--expose-gc'] })
    this.#child.on('message', answer => this.#answered(answer as object))
    this.#child.once('exit', () => this.#answered({ error: 'a process of the bench has ended' }))
  }

  ask<K extends keyof O & string>(name: K, order: O[K][0]): Promise<O[K][1]> {
    return new Promise((resolve, reject) => {
      this.#answered = ({ result, error }) =>
        error === undefined ? resolve(result as O[K][1]) : reject(new Error(error))
      this.#child.send({ name, order })
    })
  }

  async close(): Promise<void> {
    // It may have failed.
    if (!this.#child.connected) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

/** In such a process: does what its parent asks for, and ends with it. */
export function obey<O extends Orders<O>>(
  actions: { [K in keyof O]: (order: O[K][0]) => Promise<O[K][1]> }
): void {
  process.on('message', ({ name, order }: { name: keyof O; order: never }) => {
    actions[name](order).then(
      result => process.send?.({ result }),
      err => process.send?.({ error: String(err) })
    )
  })
  process.on('disconnect', () => process.exit())
}
