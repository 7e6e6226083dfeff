/** The guests of the daemon that runs from an options file. */

import { CONTROL_LIMITS } from '../limits.js'
import type { PresentGuest } from '../options/blocked.js'
import type { Arguments } from './command.js'
import type { CliContext } from './context.js'
import { runningFrom } from './running.js'

/** Who is connected now: the daemon does not write down at once who came. Nobody, if none runs from the file. */
export async function presentGuests(
  path: string,
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<PresentGuest[]> {
  const found = await runningFrom(path, args, context)
  if (!found) return []
  try {
    const { servers } = await found.control.ask('status', CONTROL_LIMITS.whoMs)
    return servers.flatMap(({ publicKey, sessions }) =>
      sessions.flatMap(({ peer, name, state }) => (state === 'up' ? [{ publicKey, peer, name }] : []))
    )
  } catch {
    // It ends just now, or is late: the file still tells when they were seen.
    return []
  } finally {
    found.control.close()
  }
}
