// What a person reads who watches a server: one line for each thing that happens, and nothing else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join as inFolder } from 'node:path'
import { HyperNat } from '../../src/index.js'
import { until } from '../support/deadline.js'
import { writeOptions } from '../support/hyper-nat.js'
import { bindUdpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

const OUTAGES = 3

staged('one line for each that joins, is lost, comes back and leaves', async stage => {
  const { bootstrap } = await stage.testnet()
  const target = await stage.use(bindUdpEcho())
  const maps = [{ proto: 'udp' as const, port: target.port }]
  const written = writeOptions({
    network: { bootstrap, portMapping: false },
    log: { file: 'hyper-nat.log', level: 'warn' },
    schema: [{ mode: 'server', ...maps[0], secret: newSecret() }]
  })
  stage.defer(() => written.remove())
  const server = stage.start(['-c', written.file, '--log-file', inFolder(written.folder, 'flag.log')])
  const [, publicKey = ''] = await server.says(/Public key\n {2}(\w+)\n/)
  await server.says(/ -k \w+.*\n$/)
  const greeting = server.stdout.length
  const lines = (): string[] => server.stdout.slice(greeting).split('\n').slice(0, -1)
  const join = async (): Promise<HyperNat> => {
    const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    await guest.open({ publicKey, maps: maps.map(map => ({ ...map, localPort: 0 })) })
    return guest
  }

  const first = await join()
  await until(20_000, 'the first', () => lines().length === 1)
  const second = await join()
  await until(20_000, 'the second', () => lines().length === 2)
  for (let i = 1; i <= OUTAGES; i++) {
    first.reconnect()
    await until(20_000, 'the session to go on', () => {
      const [client] = first.status().clients
      return client?.sessions[0]?.state === 'up' && client.sessions[0].resumptions === i
    })
    await until(20_000, 'both lines of the outage', () => lines().length === 2 + 2 * i)
  }
  await second.close()
  await first.close()
  await until(20_000, 'the end of both', () => lines().length === 4 + 2 * OUTAGES)

  const { stdout, stderr } = await server.stop()
  assert.equal(stderr, '')
  assert.equal(
    stdout.slice(0, greeting) +
      lines()
        .map(line => `${line}\n`)
        .join(''),
    stdout
  )
  const words = lines().map(line => /^Guest \w{8}\.\. (connected|disconnected) \((\w+)\)(: .+)?$/.exec(line))
  assert.ok(
    words.every(match => match !== null),
    stdout
  )
  const said = words.map(match => match[1])
  assert.equal(said.filter(word => word === 'connected').length, 2 + OUTAGES)
  assert.equal(said.filter(word => word === 'disconnected').length, 2 + OUTAGES)
  assert.equal(words.filter(match => match[2] === 'GOODBYE').length, 2)
  assert.ok(
    words.every(match => match[1] === 'connected' || match[3] !== undefined),
    `a reason each: ${stdout}`
  )

  // The flag names the file, options.json the level.
  assert.equal(readFileSync(inFolder(written.folder, 'flag.log'), 'utf8'), '')
})
