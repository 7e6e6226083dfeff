/** A pair whose server is behind a router that maps ports. */
import assert from 'node:assert/strict'
import type { Process } from '../support/process.js'
import type { Home } from './lab.js'
import { Miniupnpd, type MiniupnpdOptions, noMiniupnpd } from './miniupnpd.js'
import { Pair, type PairOptions } from './pair.js'
import { lab, skip as noLab } from './side.js'

/** Why the tests of port mapping are skipped, or false. */
export const skip = noLab || noMiniupnpd()

/** Searching takes up to 6 s, and the first packets of a DHT node some time more. */
export const MAPPED_MS = 20_000

/** How long a server may take to end. */
export const STOP_MS = 3000

/** A server behind a router with miniupnpd, and a client. */
export async function withRouter(
  homes: readonly [server: Home, client: Home],
  options: MiniupnpdOptions & PairOptions,
  body: (pair: Pair, router: Miniupnpd) => Promise<void>
): Promise<void> {
  const router = await Miniupnpd.start(homes[0], options)
  const server = ['-v', ...(options.server ?? [])]
  const pair = new Pair(lab, ...homes, { ...options, server })
  try {
    await body(pair, router)
  } catch (err) {
    throw new Error(`${pair.describe()}\n${router.describe()}`, { cause: err })
  } finally {
    await pair.close()
    await router.stop()
  }
}

/** Resolves with the external port when the server has found that others reach it. */
export async function mapped(pair: Pair): Promise<number> {
  const [, port] = await pair.server.says(/others reach this machine at \S+, UDP port (\d+)/, MAPPED_MS)
  return Number(port)
}

/** Ends a server, which may not take long. */
export async function stopsInTime(server: Process): Promise<void> {
  const started = performance.now()
  server.kill('SIGTERM')
  const { code } = await server.end(STOP_MS)
  assert.equal(code, 0)
  assert.ok(performance.now() - started < STOP_MS)
}
