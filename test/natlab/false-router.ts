// What looks like a home router that maps ports:
//   false-router.js serve             its HTTP, on a free port, told on stdout as is what it is asked; of an answer to a request for a port
//                                     there is always more to come
//   false-router.js answer LOCATION ADDRESS   answers searches for a router with this URL, in the LAN where it has this address
import dgram from 'node:dgram'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

const MORE_EVERY_MS = 200

const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'

const DESCRIPTION = `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">
  <device>
    <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
    <UDN>uuid:1</UDN>
    <serviceList>
      <service><serviceType>${SERVICE}</serviceType><controlURL>/control</controlURL></service>
    </serviceList>
  </device>
</root>`

const [mode, location, address] = process.argv.slice(2)

if (mode === 'serve') {
  const server = http.createServer((request, response) => {
    console.log(`asked ${request.method} ${request.url}`)
    if (request.method === 'GET') return void response.end(DESCRIPTION)
    const more = setInterval(() => response.write(' '), MORE_EVERY_MS)
    response.on('close', () => clearInterval(more))
  })
  server.listen(0, () => console.log(`port ${(server.address() as AddressInfo).port}`))
} else {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  socket.on('message', (search, from) => {
    const target = /^ST: (.*)$/m.exec(String(search))?.[1]
    if (!target) return
    console.log('asked')
    const lines = ['HTTP/1.1 200 OK', `LOCATION: ${location}`, `ST: ${target}`, `USN: uuid:1::${target}`]
    socket.send(`${lines.join('\r\n')}\r\n\r\n`, from.port, from.address)
  })
  socket.bind(1900, () => {
    socket.addMembership('239.255.255.250', address)
    console.log('listens')
  })
}
