// Loaded into the peers with `node --require`: hyper-nat 1.1.3 has no option for another DHT than the public one, hypertele
// only one for a node on 127.0.0.1. So their libraries' list of first nodes is changed in place, before they read it.
// BENCH_BOOTSTRAP: `host:port`, comma-separated.
const nodes = (process.env.BENCH_BOOTSTRAP ?? '').split(',').filter(Boolean)
if (nodes.length === 0) throw new Error('BENCH_BOOTSTRAP is not set: the peers would use the public DHT')

const addresses = nodes.map(node => ({ host: node.split(':')[0], port: Number(node.split(':')[1]) }))
for (const library of ['@hyperswarm/dht', 'hyperdht']) {
  const { BOOTSTRAP_NODES } = require(`${library}/lib/constants.js`)
  BOOTSTRAP_NODES.splice(0, BOOTSTRAP_NODES.length, ...addresses)
}
