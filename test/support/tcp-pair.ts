import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'node:test'

/** A TCP connection over loopback: the accepted socket, and the program's. The end of the test destroys both. */
export async function tcpPair(t: TestContext): Promise<{ ours: net.Socket; program: net.Socket }> {
  const server = net.createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const program = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [ours] = (await once(server, 'connection')) as [net.Socket]
  server.close()
  t.after(() => {
    ours.destroy()
    program.destroy()
  })
  return { ours, program }
}
