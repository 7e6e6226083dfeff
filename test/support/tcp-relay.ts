/** A relay by TCP on the loopback interface. */
import type { TestContext } from 'node:test'
import { RELAY_LIMITS, TCP_RELAY_LIMITS, type TcpRelayLimits } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Shaper } from '../../src/network/shaper.js'
import { Endpoint, type EndpointOptions } from '../../src/network/tcp-relay/endpoint.js'
import { ipv4Text } from '../../src/network/tcp-relay/ipv4.js'
import { systemClock } from '../../src/util/clock.js'

export const LOOPBACK = '127.0.0.1'

export type RelayOptions = Partial<Omit<EndpointOptions, 'limits'>> & { limits?: Partial<TcpRelayLimits> }

/** Starts one; the end of the test closes it. */
export async function relay(t: TestContext, options: RelayOptions = {}): Promise<Endpoint> {
  const endpoint = newRelay(options)
  await endpoint.start()
  t.after(() => endpoint.close())
  return endpoint
}

/** One that is not started. */
export function newRelay({ limits, ...options }: RelayOptions = {}): Endpoint {
  return new Endpoint({
    port: 0,
    host: LOOPBACK,
    tokens: [],
    uplink: { bindHost: LOOPBACK, to: { admits: host => ipv4Text(host) === LOOPBACK } },
    shaper: new Shaper(systemClock, { ...RELAY_LIMITS, sessionBits: 1e9, totalBits: 1e9 }),
    clock: systemClock,
    limits: { ...TCP_RELAY_LIMITS, ...limits },
    log: silentLog,
    ...options
  })
}

export const address = ({ port }: { port: number }): string => `ws://${LOOPBACK}:${port}`
