// A server that takes itself to be behind a NAT, so that it opens a socket to punch with for each client: node server-behind-nat.js
// BOOTSTRAP. Says {"key":"..","port":..} once it can be found, and then how many files it has open, a line a second.
import { readdirSync } from 'node:fs'
import type HyperDHT from 'hyperdht'
import { encodeKey } from '../../src/identity/encoding.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Dht } from '../../src/network/dht.js'
import { systemClock } from '../../src/util/clock.js'
import { freshKeys } from './intruder.js'

const [bootstrap = ''] = process.argv.slice(2)
// It does not ask whether others reach it.
const options = { bootstrap: bootstrap.split(','), quickFirewall: false } as HyperDHT.Options
const dht = new Dht(options, systemClock, LIMITS, silentLog)
const keyPair = freshKeys()
const server = dht.createServer({}, stream => stream.on('error', () => {}))
await dht.fullyBootstrapped()
await server.listen(keyPair)
process.stdout.write(
  `${JSON.stringify({ key: encodeKey(keyPair.publicKey), port: dht.serverSocket.address().port })}\n`
)
setInterval(() => process.stdout.write(`${readdirSync('/proc/self/fd').length}\n`), 1000)
