// The least that a tunnel on hyperdht can be: one encrypted stream for each TCP connection, on one node.
//
//   node bare-dht.js server TARGETPORT SEED BOOTSTRAP        says `ready` once it is announced
//   node bare-dht.js client LOCALPORT PUBLICKEY BOOTSTRAP    says `ready` once its local port is open
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'

const host = '127.0.0.1'
const [role, port = '', key = '', bootstrap = ''] = process.argv.slice(2)
const dht = new HyperDHT({ bootstrap: bootstrap.split(',') })

function join(socket: Socket, stream: SecretStream): void {
  socket.setNoDelay(true)
  socket.pipe(stream as unknown as Duplex).pipe(socket)
  // Whose connection breaks notices it.
  socket.on('error', () => stream.destroy())
  stream.on('error', () => socket.destroy())
}

if (role === 'server') {
  const server = dht.createServer({}, stream => join(connect(Number(port), host), stream))
  await server.listen(HyperDHT.keyPair(Buffer.from(key, 'hex')))
  console.log('ready')
} else {
  const server = createServer(socket => join(socket, dht.connect(Buffer.from(key, 'hex'))))
  server.listen(Number(port), host, () => console.log('ready'))
}
process.on('SIGTERM', () => process.exit(0))
