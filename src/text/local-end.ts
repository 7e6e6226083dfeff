/** Local ends of port maps: where servers look for their programs, where clients listen, and which of them meet. */
import { type Proto, transportOf } from '../proto.js'
import { isIPv4Loopback, typedHost } from './address.js'
import { canonicalHost, hostsCollide } from './hosts.js'
import { isSocketPath } from './socket-path.js'

/** Where a server looks for its program. */
export interface Target {
  readonly proto: Proto
  readonly port: number
  readonly host: string
}

/** Where a client listens. */
export interface LocalEnd {
  readonly proto: Proto
  readonly localPort: number
  readonly localHost: string
}

/** The targets at which one of the clients listens, with that client. */
export function joinedTargets<T extends Target, E extends LocalEnd>(
  targets: readonly T[],
  ends: readonly E[]
): { readonly target: T; readonly end: E }[] {
  const byPort = new Map<string, E[]>()
  for (const end of ends) {
    const key = keyOf(end.proto, end.localHost, end.localPort)
    byPort.set(key, [...(byPort.get(key) ?? []), end])
  }
  return targets.flatMap(target => {
    const { proto, port, host } = target
    const end = byPort.get(keyOf(proto, host, port))?.find(one => leadsTo(target, one))
    return end ? [{ target, end }] : []
  })
}

/** A socket with a path has no port. */
function keyOf(proto: Proto, host: string, port: number): string {
  return isSocketPath(host) ? canonicalHost(host) : `${transportOf(proto)} ${port}`
}

/** Whether guests who are led to the target find the client. */
export function leadsTo(
  { proto, port, host }: Target,
  { proto: by, localPort, localHost }: LocalEnd
): boolean {
  if (keyOf(proto, host, port) !== keyOf(by, localHost, localPort)) return false
  const target = typedHost(canonicalHost(host))
  // What listens on all addresses is found at those of this computer alone.
  const isHere = isIPv4Loopback(target) || target === '::1'
  return canonicalHost(localHost) === target || (isHere && hostsCollide(localHost, target))
}
