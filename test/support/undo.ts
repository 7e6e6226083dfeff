import type { TestContext } from 'node:test'

/** What a test undoes at its end, the last first. */
export function undoing(t: TestContext): (undo: () => unknown) => void {
  const all: (() => unknown)[] = []
  t.after(async () => {
    for (const undo of all.reverse()) await undo()
  })
  return undo => void all.push(undo)
}
