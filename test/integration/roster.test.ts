// Guests of one server see each other where its owner wants that, and only there.
import assert from 'node:assert/strict'
import { HyperNat } from '../../src/index.js'
import { until } from '../support/deadline.js'
import { freshKeys } from '../support/intruder.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

staged('guests see who else is there, by the names that the host has for them', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const { bootstrap } = await stage.testnet()
  const options = { bootstrap, portMapping: false, lan: false }
  await using host = new HyperNat(options)
  const server = await host.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: echo.port }] })
  const anna = freshKeys()
  await using first = new HyperNat({ ...options, identity: anna })
  await using second = new HyperNat(options)
  const seenBy = (node: HyperNat) =>
    node.status().clients.flatMap(client => client.sessions.flatMap(({ roster }) => roster ?? []))
  for (const node of [first, second]) await node.connect(server.publicKey)
  const rules = { allow: [{ name: 'Anna', publicKey: anna.publicKey }] }

  server.update({ ...rules, roster: true })
  await until(
    15_000,
    'both to see each other',
    () => seenBy(first).length === 1 && seenBy(second).length === 1
  )
  assert.deepEqual(
    [seenBy(first)[0]!.name, seenBy(second)[0]!.name],
    [undefined, 'Anna'],
    'a guest without a name has none, and no key in its place'
  )
  await until(15_000, 'the ping', () => typeof seenBy(second)[0]?.rtt === 'number')
  await first.close()
  await until(15_000, 'Anna to be gone', () => seenBy(second).length === 0)

  await using third = new HyperNat({ ...options, identity: anna })
  await third.connect(server.publicKey)
  await until(15_000, 'Anna again', () => seenBy(second)[0]?.name === 'Anna')
  server.update(rules)
  await until(5_000, 'nobody to see anybody', () => seenBy(second).length + seenBy(third).length === 0)
})
