/** Clients that come back to a server whose address they know, while the DHT is away. */
import assert from 'node:assert/strict'
import type { DaemonEvent } from '../../src/events.js'
import { HyperNat } from '../../src/index.js'
import { connectTcp, readSome } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { mainFile } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { listenTcp, listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

staged('a client comes back to a server whose address it knows without the DHT', async stage => {
  const testnet = await stage.testnet()
  const { bootstrap } = testnet
  const target = await stage.use(listenTcpEcho())
  const there = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const here = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const maps = [{ proto: 'tcp' as const, port: target.port }]
  const { publicKey } = await there.share({ secret: newSecret(), maps })
  const connected: DaemonEvent[] = []
  here.on('event', event => {
    if (event.event === 'connected') connected.push(event)
  })
  const { maps: opened } = await here.open({ publicKey, maps: [{ ...maps[0]!, localPort: 0 }] })
  await until(20_000, 'it is connected', () => connected.length === 1)
  const socket = await connectTcp(opened[0]!.localPort)
  const exchange = async (text: string): Promise<void> => {
    socket.write(text)
    assert.equal(String(await readSome(socket, text.length)), text)
  }
  await exchange('before')
  await testnet.close()
  here.reconnect()
  const started = performance.now()
  await until(10_000, 'it is connected again', () => connected.length === 2)
  assert.ok(performance.now() - started < 5000)
  await exchange('the same connection goes on')
  socket.destroy()
})

staged('a client finds a server on its LAN without any DHT', async stage => {
  // Nobody answers there.
  const bootstrap = ['127.0.0.1:9']
  const target = await stage.use(listenTcpEcho())
  const there = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const here = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const maps = [{ proto: 'tcp' as const, port: target.port }]
  const { publicKey } = await there.share({ secret: newSecret(), maps })
  const paths: string[] = []
  here.on('event', event => {
    if (event.event === 'connected') paths.push(event.path)
  })
  const { maps: opened } = await here.open({ publicKey, maps: [{ ...maps[0]!, localPort: 0 }] })
  await until(20_000, 'it is connected', () => paths.length > 0)
  assert.deepEqual(paths, ['lan'])
  const socket = await connectTcp(opened[0]!.localPort)
  socket.write('hello')
  assert.equal(String(await readSome(socket, 5)), 'hello')
  socket.destroy()
})

staged('a client that is to leave the LAN alone finds nothing there', async stage => {
  const bootstrap = ['127.0.0.1:9']
  const there = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const here = await stage.use(new HyperNat({ bootstrap, portMapping: false, lan: false }))
  const { publicKey } = await there.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 1 }] })
  const told: string[] = []
  here.on('event', event => {
    if (event.event === 'connected' || event.event === 'waiting') told.push(event.event)
  })
  await here.open({ publicKey, maps: [{ proto: 'tcp', port: 1, localPort: 0 }] })
  await until(20_000, 'it is told', () => told.length > 0)
  assert.deepEqual(told, ['waiting'])
})

staged('ping and connect find a server on its LAN, and leave the LAN alone with --no-lan', async stage => {
  const bootstrap = ['127.0.0.1:9']
  const target = await stage.use(listenTcp(socket => socket.end('here')))
  const there = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const { publicKey } = await there.share({
    secret: newSecret(),
    maps: [{ proto: 'tcp', port: target.port }]
  })
  const run = (...words: string[]) =>
    runProgram(process.execPath, [mainFile, ...words, '--bootstrap', bootstrap[0]!])
  assert.equal((await run('ping', '-k', publicKey, '-c', '1')).code, 0)
  assert.equal((await run('connect', publicKey)).stdout, 'here')
  assert.equal((await run('ping', '-k', publicKey, '-c', '1', '--no-lan')).code, 1)
  assert.match((await run('connect', publicKey, '--no-lan')).stderr, /DHT_UNREACHABLE/)
})
