/** Ports to share that lead to a server, as another hyper-nat of this user has them open: guests would come out there. */
import type { Entry, Warning } from '../options/entry.js'
import { onOurLoopback, type Running } from './running.js'

/** @param path the flag that names the ports, or the game */
export async function joinedHere(
  entries: readonly Entry[],
  path: string,
  running: readonly Running[]
): Promise<Warning[]> {
  const near = await onOurLoopback(running)
  const { sharedNow } = await import('../options/joined-targets.js')
  const { joinedTargets } = await import('../text/local-end.js')
  const { formatPorts } = await import('../text/ports.js')
  return near.flatMap(({ who: { pid }, status }): Warning[] => {
    const open = status.clients.flatMap(({ maps }) => maps)
    const found = joinedTargets(sharedNow(entries), open).map(({ target }) => target.port)
    if (found.length === 0) return []
    const ports = formatPorts([...new Set(found)])
    return [
      {
        code: 'TARGET_IS_JOINED',
        path,
        message: `port ${ports} of this computer leads to a server that process ${pid} has joined: guests come out there, and need no ticket of it; unless that is meant, hyper-nat stop --pid ${pid} ends it, or share another port`
      }
    ]
  })
}
