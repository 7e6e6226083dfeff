/**
 * A program inside a namespace: the library with numbers of the test's own, sharing a port.
 *
 *     sharer.js BOOTSTRAP LIMITS        LIMITS is JSON; runs until stdin ends, then closes
 *
 * Tells each state of the port mapping as one line of JSON.
 */
import { once } from 'node:events'
import { HyperNat } from '../../src/index.js'
import { newSecret } from '../support/stage.js'

const [bootstrap = '', limits = '{}'] = process.argv.slice(2)
const node = new HyperNat({ bootstrap: bootstrap.split(','), limits: JSON.parse(limits) })
await node.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 7001 }] })
let told = ''
const timer = setInterval(() => {
  const state = JSON.stringify(node.portMapping)
  if (state !== told) console.log(state)
  told = state
}, 20)
process.stdin.resume()
await once(process.stdin, 'end')
clearInterval(timer)
await node.close()
