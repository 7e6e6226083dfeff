/** `hyper-nat connect`: stdin and stdout as a connection to a server's TCP port, for scripts and for ssh. */

import { once } from 'node:events'
import type { Connection } from '../client/handle.js'
import { OptionsError } from '../errors.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import type { Warning } from '../options/entry.js'
import type { FlowStream } from '../sockets/flow-stream.js'
import { type Arguments, type Command, type Job, text, words } from './command.js'
import { type CliContext, EXIT, type Pipes } from './context.js'
import { keptIdentity } from './kept-identity.js'
import { identityFlag, lanFlag, networkOf, relayFlag, stopSignal } from './shared-flags.js'

const PORT_PATTERN = /^\d{1,5}$/

export const connect: Command = {
  name: 'connect',
  describe: "Connect stdin and stdout to a server's TCP port, for scripts and ssh",
  positional: {
    name: 'server',
    describe: 'A ticket, a public key or the name of a friend; then the port, unless only one is shared'
  },
  flags: { ...relayFlag, ...lanFlag, ...identityFlag },
  examples: [
    ['hyper-nat connect hnat1.. 8080', 'what is typed goes to port 8080 there'],
    [
      "ssh -o 'ProxyCommand hyper-nat connect %h 22' user@<publickey>",
      'ssh, scp, sftp and git over it, with a key in base58'
    ]
  ],
  subject: () => 'hyper-nat connect',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { reachOptions } = await import('../options/flags.js')
  const place = placeOf(words(args, 'server'))
  if (place.server === '') {
    const message = 'is missing; give the ticket or the public key of the server, or the name of a friend'
    throw new OptionsError([{ path: 'SERVER', message }])
  }
  const { serverNamed } = await import('../options/friends.js')
  const server = await serverNamed(place.server)
  const { port } = place
  const { network, publicKey, ticket, warnings } = reachOptions(
    { ...networkOf(args, context), publicKey: server },
    true
  )
  const own: Warning[] = [...warnings]
  const file = text(args, 'identity') ?? (ticket?.invite ? undefined : await keptIdentity(publicKey!, own))
  return {
    warnings: own,
    async task({ pipes, stopped }, log) {
      const { HyperNat } = await import('../hyper-nat.js')
      const { loadIdentity } = await import('../options/identity-file.js')
      const identity = file === undefined ? undefined : await loadIdentity(file)
      const { bootstrap, relay: relays, lan } = network
      const node = new HyperNat({ bootstrap, relays, lan, identity, log })
      const signal = stopSignal(stopped)
      try {
        const connection = await node.connect(ticket ?? publicKey!, { signal })
        await carry(connection.stream(port ?? onlyPort(connection), { signal }), pipes())
        return EXIT.done
      } catch (err) {
        if (signal.aborted) return EXIT.done
        throw err
      } finally {
        await node.close()
      }
    }
  }
}

/**
 * Bytes both ways, until each direction has ended; a terminal does not end, so there the other side's end is enough.
 * @throws HyperNatError why the connection ended otherwise
 */
async function carry(stream: FlowStream, { input, output, closeOutput, isTerminal }: Pipes): Promise<void> {
  input.on('error', err => stream.destroy(err))
  input.pipe(stream)
  stream.pipe(output, { end: false })
  const ended = once(stream, 'end').then(() => {
    if (isTerminal) stream.end()
    return closeOutput()
  })
  ended.catch(() => {})
  try {
    await once(stream, 'close')
    await ended
  } finally {
    input.destroy()
  }
}

/** @throws OptionsError unless the server shares one TCP port */
function onlyPort(connection: Connection): number {
  const ports = [...new Set(connection.maps.filter(({ proto }) => proto !== 'udp').map(({ port }) => port))]
  if (ports.length === 1) return ports[0]!
  const message =
    ports.length === 0
      ? 'is missing, and the server shares no TCP port; ask its owner to share one'
      : `is missing; give one of the TCP ports that the server shares: ${ports.join(', ')}`
  throw new OptionsError([{ path: 'PORT', message }])
}

/** A ticket may have been broken into several words; the port is the last one. */
function placeOf(given: readonly string[]): { server: string; port: number | string | undefined } {
  const last = given.at(-1)
  if (given.length < 2 || last === undefined) return { server: given.join(''), port: undefined }
  if (PORT_PATTERN.test(last)) return { server: given.slice(0, -1).join(''), port: Number(last) }
  const isTicket = looksLikeTicket(given[0]!)
  return isTicket && given.length > 2
    ? { server: given.join(''), port: undefined }
    : { server: given[0]!, port: last }
}
