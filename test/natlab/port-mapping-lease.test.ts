// A port mapping lives as long as its server: it is renewed, comes back with its router, and holds up nobody who ends.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Limits } from '../../src/limits.js'
import { pause, until } from '../support/deadline.js'
import { Process, runProgram } from '../support/process.js'
import type { Home } from './lab.js'
import { MAPPED_MS, mapped, STOP_MS, skip, stopsInTime, withRouter } from './mapped-pair.js'
import { Miniupnpd } from './miniupnpd.js'
import { lab, useLab } from './side.js'

const SHARER = join(dirname(fileURLToPath(import.meta.url)), 'sharer.js')

useLab()

/** A server with numbers of its own, in the library. */
function share(home: Home, limits: Partial<Limits> = {}): Process {
  const [program = '', ...args] = [...home.prefix, process.execPath, SHARER]
  return new Process(program, [...args, lab.bootstrap, JSON.stringify(limits)], { name: 'sharer' })
}

// They wait most of the time, each in homes of its own.
describe('a mapping lives as long as its server', { concurrency: 3 }, () => {
  for (const speaks of ['upnp', 'pcp'] as const) {
    test(`a server ends in time when the router has died, by ${speaks}`, {
      skip,
      timeout: 60_000
    }, async () => {
      const homes = [await lab.home('symmetric'), await lab.home('symmetric')] as const
      await withRouter(homes, { speaks }, async (pair, router) => {
        await mapped(pair)
        await router.kill()
        await stopsInTime(pair.server)
      })
    })

    test(`a server ends in time when nothing gets through to the router, by ${speaks}`, {
      skip,
      timeout: 60_000
    }, async () => {
      const home = await lab.home('symmetric')
      await withRouter([home, await lab.home('open')], { speaks }, async pair => {
        await mapped(pair)
        const [program = '', ...args] = [...home.prefix, 'ip', 'link', 'set', 'eth0', 'down']
        await runProgram(program, args)
        await stopsInTime(pair.server)
      })
    })

    test(`a server that was killed gets its port back, by ${speaks}`, { skip, timeout: 60_000 }, async () => {
      const home = await lab.home('symmetric')
      const router = await Miniupnpd.start(home, { speaks })
      const killed = share(home)
      const next: Process[] = []
      try {
        const [, port] = await killed.says(/"state":"mapped".*"externalPort":(\d+)/, MAPPED_MS)
        killed.kill('SIGKILL')
        await killed.end()
        const again = share(home)
        next.push(again)
        const [, samePort] = await again.says(/"state":"mapped".*"externalPort":(\d+)/, MAPPED_MS)
        assert.equal(samePort, port)
        again.input('')
        assert.equal((await again.end(STOP_MS)).code, 0)
        assert.deepEqual(await router.redirects(), [])
      } finally {
        await Promise.all([killed, ...next].map(one => one.stop()))
        await router.stop()
      }
    })

    // Each wait in it has its bound; together they come near to a minute where the other homes keep the machine busy.
    test(`a mapping is renewed, and comes back with the router, by ${speaks}`, {
      skip,
      timeout: 120_000
    }, async () => {
      const home = await lab.home('symmetric')
      let router = await Miniupnpd.start(home, { speaks })
      const sharer = share(home, { portLeaseSeconds: 8, portRetryMs: 500 })
      try {
        await sharer.says(/"state":"mapped"/, MAPPED_MS)
        // Two leases and more.
        for (let i = 0; i < 20; i++) {
          await pause(1000)
          // By UPnP a mapping is renewed by taking it away and asking for it again: gone for a moment, longer on a busy machine.
          await until(2000, `the mapping to be there\n${sharer.describe()}`, async () => {
            return (await router.redirects()).length === 1
          })
        }
        assert.equal(sharer.stdout.match(/"mapped"/g)?.length, 1, 'it was there all the time')
        await router.forget()
        await router.stop()
        await sharer.says(/"state":"none"/, MAPPED_MS)
        router = await Miniupnpd.start(home, { speaks })
        await sharer.says(/"none".*"state":"mapped"/s, MAPPED_MS)
        assert.equal((await router.redirects()).length, 1)
        sharer.input('')
        assert.equal((await sharer.end(STOP_MS)).code, 0)
        assert.deepEqual(await router.redirects(), [])
      } finally {
        await sharer.stop()
        await router.stop()
      }
    })
  }
})
