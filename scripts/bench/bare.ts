// The least that a tunnel in Node can be: each piece of a TCP connection is a plain datagram, without keys, order or repetition. What it
// takes from connect to first byte on loopback is what Node's sockets take; the rest is a tunnel's own doing.
//
//   node bare.js server TARGETPORT            says `port N`, where its datagrams come in
//   node bare.js client LOCALPORT SERVERPORT  says `ready`
import { createSocket, type RemoteInfo } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'

/** Number of the connection, then what it is about, then bytes. */
const HEADER = 5
const OPEN = 0
const DATA = 1
const OVER = 2

const host = '127.0.0.1'
const [role, port = '', peer = ''] = process.argv.slice(2)
const datagrams = createSocket('udp4')
const sockets = new Map<number, Socket>()
let other = Number(peer)

function send(id: number, kind: number, bytes = Buffer.alloc(0)): void {
  const datagram = Buffer.allocUnsafe(HEADER + bytes.length)
  datagram.writeUInt32BE(id)
  datagram[4] = kind
  bytes.copy(datagram, HEADER)
  datagrams.send(datagram, other, host)
}

function carry(id: number, socket: Socket): void {
  sockets.set(id, socket)
  socket.setNoDelay(true)
  socket.on('data', bytes => send(id, DATA, bytes))
  socket.on('error', () => {})
  socket.on('close', () => {
    if (sockets.delete(id)) send(id, OVER)
  })
}

datagrams.on('message', (datagram: Buffer, from: RemoteInfo) => {
  const id = datagram.readUInt32BE()
  const kind = datagram[4]
  if (kind === OPEN && role === 'server') {
    other = from.port
    carry(id, connect(Number(port), host))
  }
  if (kind === DATA) sockets.get(id)?.write(datagram.subarray(HEADER))
  if (kind === OVER) {
    sockets.get(id)?.destroy()
    sockets.delete(id)
  }
})

datagrams.bind(0, host, () => {
  if (role === 'server') return console.log(`port ${datagrams.address().port}`)
  let next = 1
  const server = createServer(socket => {
    const id = next++
    send(id, OPEN)
    carry(id, socket)
  })
  server.listen(Number(port), host, () => console.log('ready'))
})
