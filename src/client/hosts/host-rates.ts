/** What a server's hosts may cost their client: the rates of frames and datagrams, and a warning when one is reached. */
import { RateLimiter } from '../../flows/rate-limiter.js'
import { encodeKey } from '../../identity/encoding.js'
import type { Log } from '../../log/log.js'
import type { HostDeps } from './host.js'

type Deps = Pick<HostDeps, 'clock' | 'limits' | 'publicKey' | 'resources'> & { readonly log: Log }

/** One rate limiter for all hosts of a server: together they are one peer, which must not keep this process from the others. */
export function rateLimiterOfHosts({ clock, limits, log, publicKey, resources }: Deps): RateLimiter {
  return new RateLimiter(
    clock,
    // Hosts open no flows, and an owner limits bytes for guests only.
    { ...limits, flowsPerSecond: 0, udpPerSecond: 0, guestBytesPerSecond: 0 },
    limit =>
      log.warn(
        { publicKey: encodeKey(publicKey), limit, perSecond: limits[limit] },
        'a server is held to a limit'
      ),
    () => resources.hasOnePeer
  )
}
