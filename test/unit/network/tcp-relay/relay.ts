/** A relay by TCP on the loopback interface. */
import type { TestContext } from 'node:test'
import { RELAY_LIMITS, TCP_RELAY_LIMITS } from '../../../../src/limits.js'
import { silentLog } from '../../../../src/log/log.js'
import { Shaper } from '../../../../src/network/shaper.js'
import { Endpoint, type EndpointOptions } from '../../../../src/network/tcp-relay/endpoint.js'
import { systemClock } from '../../../../src/util/clock.js'

export const LOOPBACK = '127.0.0.1'

export async function relay(t: TestContext, options: Partial<EndpointOptions> = {}): Promise<Endpoint> {
  const endpoint = new Endpoint({
    port: 0,
    host: LOOPBACK,
    tokens: [],
    uplink: { bindHost: LOOPBACK, to: { admits: () => true } },
    shaper: new Shaper(systemClock, RELAY_LIMITS),
    clock: systemClock,
    limits: TCP_RELAY_LIMITS,
    log: silentLog,
    ...options
  })
  await endpoint.start()
  t.after(() => endpoint.close())
  return endpoint
}

export const address = ({ port }: { port: number }): string => `ws://${LOOPBACK}:${port}`
