// Which friends can be reached, as a node that leads to some of them sees it.
import assert from 'node:assert/strict'
import { type Friend, friendsPresence, HyperNat } from '../../src/index.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

async function serve(stage: Stage, port: number): Promise<string> {
  const server = await stage.daemon(serverEntries([{ proto: 'tcp', port }], newSecret()))
  return (await server.event('ready')).publicKey!
}

staged('friends are connected, announced or away, and not known without a DHT', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const { bootstrap } = await stage.testnet()
  const [connected, announced] = [await serve(stage, echo.port), await serve(stage, echo.port)]
  const friends: Friend[] = [
    { name: 'anna', publicKey: connected },
    { name: 'bob', publicKey: announced },
    { name: 'eve', publicKey: 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA' }
  ]
  await using node = new HyperNat({ bootstrap, portMapping: false, lan: false })
  await using connection = await node.connect(connected)
  const found = await friendsPresence(friends, node)
  assert.deepEqual(
    found.map(({ name, state }) => [name, state]),
    [
      ['anna', 'connected'],
      ['bob', 'announced'],
      ['eve', 'away']
    ]
  )
  assert.deepEqual([found[0]!.path, found[1]!.path], [connection.info!.path, null])

  await using alone = new HyperNat({ bootstrap: ['127.0.0.1:1'], portMapping: false, lan: false })
  const [unknown] = await friendsPresence(friends.slice(0, 1), alone)
  assert.equal(unknown!.state, 'unknown')
})
