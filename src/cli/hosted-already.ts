/** A game that a hyper-nat of this user hosts already: once more, it is under a second ticket. */
import { partsOf } from '../games/map-name.js'
import type { Warning } from '../options/entry.js'
import type { Running } from './running.js'

/** @param games their ids */
export function hostedAlready(games: readonly string[], running: readonly Running[]): Warning[] {
  const hosts = running.filter(({ status }) =>
    status.servers.some(({ maps }) =>
      maps.some(({ name = '' }) => {
        const { id } = partsOf(name)
        return id !== undefined && games.includes(id)
      })
    )
  )
  return hosts.map(({ who: { pid } }) => ({
    code: 'HOSTED_ALREADY',
    path: 'GAME',
    message: `is hosted already, by process ${pid}, under a ticket of its own (hyper-nat ticket); hyper-nat stop --pid ${pid} ends that`
  }))
}
