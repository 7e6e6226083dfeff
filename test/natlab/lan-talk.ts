// A UDP target in the LAN, and who speaks to it as a server does for its guests:
//   lan-talk.js answer                 on a free port, told on stdout; answers with the address that the question came from
//   lan-talk.js ask HOST PORT          asks ten times a second, and says what was answered
import { LIMITS } from '../../src/limits.js'
import { HostResolver } from '../../src/sockets/host-resolver.js'
import { UdpTarget } from '../../src/sockets/udp-target.js'
import { Budget } from '../../src/util/budget.js'
import { bindUdp } from '../support/servers.js'

const EVERY_MS = 100

const [mode, host = '', port = ''] = process.argv.slice(2)

if (mode === 'answer') {
  const target = await bindUdp((_, from, socket) => socket.send(from.address, from.port, from.address), {
    host: '0.0.0.0'
  })
  console.log(`port ${target.port}`)
} else {
  const target = new UdpTarget({
    resolver: new HostResolver(host, LIMITS),
    port: Number(port),
    waiting: new Budget(LIMITS.resolveBytes),
    limits: LIMITS,
    onmessage: answer => console.log(`${Buffer.from(answer)}`),
    onerror: err => console.error(String(err))
  })
  setInterval(() => target.send(Buffer.from('who am I')), EVERY_MS)
}
