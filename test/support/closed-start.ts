import assert from 'node:assert/strict'

/** Checks that a service which is closed before or during its start does not start, and says so. */
export async function failsWhenClosed(
  make: () => { start(): Promise<void>; close(): Promise<void> }
): Promise<void> {
  const closed = make()
  await closed.close()
  await assert.rejects(closed.start(), { code: 'CLOSED' })
  const closing = make()
  const refused = assert.rejects(closing.start(), { code: 'CLOSED' })
  await closing.close()
  await refused
}
