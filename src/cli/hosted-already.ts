/** A game that a hyper-nat of this user hosts already: once more, it is under a second ticket. */
import { partsOf } from '../games/map-name.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Warning } from '../options/entry.js'
import type { Arguments } from './command.js'
import type { CliContext } from './context.js'
import { controlOf } from './shared-flags.js'

/** @param games their ids */
export async function hostedAlready(
  games: readonly string[],
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<Warning[]> {
  const { findDaemons } = await import('../control/client.js')
  // What cannot be asked is as if it were not there.
  const found = await findDaemons({ control: controlOf(args, context) }).catch(() => [])
  const hosts = await Promise.all(
    found.map(async ({ who, control }) => {
      try {
        const { servers } = await control.ask('status', CONTROL_LIMITS.whoMs)
        const names = servers.flatMap(({ maps }) => maps.map(({ name = '' }) => partsOf(name).id))
        return names.some(id => id !== undefined && games.includes(id)) ? [who.pid] : []
      } catch {
        return []
      } finally {
        control.close()
      }
    })
  )
  return hosts.flat().map(pid => ({
    code: 'HOSTED_ALREADY',
    path: 'GAME',
    message: `is hosted already, by process ${pid}, under a ticket of its own (hyper-nat ticket); hyper-nat stop --pid ${pid} ends that`
  }))
}
