// Two computers in one home whose internet is away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause } from '../support/deadline.js'
import type { Home } from './lab.js'
import { Pair } from './pair.js'
import { lab, skip, useLab } from './side.js'

/** How long flows may take to move again once packets can. */
const BACK_WITHIN_MS = 5000

useLab()

test('neighbours go on after a cable was out, though the internet is away', {
  skip,
  timeout: 120_000
}, async t => {
  const [there, here] = (await lab.lan(2)) as [Home, Home]
  const pair = new Pair(lab, there, here)
  try {
    assert.equal((await pair.meet()).path, 'lan', pair.describe())
    let returned = 0
    const steady = await pair.steadily(async () => {
      await lab.unplug(here.uplink)
      await lab.unplug(here.cable)
      await pause(45_000)
      await lab.plugIn(here.cable)
      returned = Date.now()
      await pause(BACK_WITHIN_MS + 2000)
    })
    const { tcp, tcpudp, udp } = steady
    for (const [proto, { until, ms }] of Object.entries({ tcp, tcpudp, udp })) {
      const backMs = Math.max(0, until - returned)
      t.diagnostic(`${proto}: back after ${backMs} ms; silent for ${ms} ms`)
      assert.ok(ms > 10_000, 'it was cut off')
      assert.ok(backMs <= BACK_WITHIN_MS, `${proto} moved again after ${backMs} ms\n${pair.describe()}`)
    }
    await pair.check()
  } finally {
    await lab.plugIn(here.uplink)
    await pair.close()
  }
})

test('neighbours find each other though there is no internet', { skip, timeout: 90_000 }, async t => {
  const [there, here] = (await lab.lan(2)) as [Home, Home]
  await lab.unplug(here.uplink)
  const pair = new Pair(lab, there, here)
  try {
    await pair.meet()
    const { path } = await pair.client.event('connected', { ms: 20_000 })
    assert.equal(path, 'lan', pair.describe())
    t.diagnostic(`${pair.elapsed} ms after the client's start`)
    await pair.check()
  } finally {
    await lab.plugIn(here.uplink)
    await pair.close()
  }
})
