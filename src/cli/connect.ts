/** `hyper-nat connect`: stdin and stdout as a connection to a server's port, for scripts and for ssh. */

import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Connection } from '../client/handle.js'
import type { ControlDatagrams, ControlStream } from '../control/blocks.js'
import type { ControlSetting } from '../control/place.js'
import type { Place } from '../control/wire.js'
import { OptionsError } from '../errors.js'
import type { HyperNat } from '../hyper-nat.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Warning } from '../options/entry.js'
import type { DatagramFlow } from '../sockets/flow-stream.js'
import { PORT_MAX } from '../text/ports.js'
import { type Arguments, type Command, type Job, text, words } from './command.js'
import { type CliContext, EXIT, type Pipes } from './context.js'
import { carryDatagrams, type Framing } from './datagrams.js'
import { keptIdentity } from './kept-identity.js'
import { controlOf, identityFlag, networkFlags, networkOf, stopSignal } from './shared-flags.js'

const PORT_PATTERN = /^\d{1,5}$/

type Datagrams = DatagramFlow | ControlDatagrams

export const connect: Command = {
  name: 'connect',
  describe: "Connect stdin and stdout to a server's port, for scripts and ssh",
  positional: {
    name: 'server',
    describe: 'A ticket, a public key or the name of a friend; then the port, unless only one is shared'
  },
  flags: {
    udp: {
      type: 'boolean',
      describe: 'Datagrams of a UDP port, each behind its length in two bytes, big-endian, both ways'
    },
    lines: { type: 'boolean', describe: 'With --udp: each line is a datagram, both ways' },
    ...networkFlags,
    ...identityFlag
  },
  examples: [
    ['hyper-nat connect hnat1.. 8080', 'what is typed goes to port 8080 there'],
    ['hyper-nat connect bob 27015 --udp --lines', 'each line goes as a datagram, and so do answers'],
    [
      "ssh -o 'ProxyCommand hyper-nat connect %h 22' user@<publickey>",
      'ssh, scp, sftp and git over it, with a key in base58'
    ]
  ],
  changes: true,
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
  if (place.fault !== undefined) throw new OptionsError([{ path: 'PORT', message: place.fault }], 'BAD_USAGE')
  const { serverNamed } = await import('../options/friends.js')
  const server = await serverNamed(place.server)
  const { port } = place
  const proto: Place['proto'] = args.udp === true ? 'udp' : 'tcp'
  if (args.lines === true && proto === 'tcp') {
    const message = 'only works with --udp: a TCP port takes bytes as they are'
    throw new OptionsError([{ path: '--lines', message }], 'BAD_USAGE')
  }
  const framing: Framing = args.lines === true ? 'lines' : 'lengths'
  const { network, publicKey, ticket, guest, warnings } = reachOptions(
    { ...networkOf(args, context), publicKey: server },
    true
  )
  const own: Warning[] = [...warnings]
  const named = text(args, 'identity')
  const file = named ?? (ticket?.invite ? undefined : await keptIdentity(publicKey!, own))
  return {
    warnings: own,
    async task({ pipes, stopped }, log) {
      const { encodeKey } = await import('../identity/encoding.js')
      const { loadIdentity } = await import('../options/identity-file.js')
      const identity = file === undefined ? undefined : await loadIdentity(file)
      const signal = stopSignal(stopped)
      // A guest that was named has to be that one; otherwise who is known there is as good.
      const as = guest?.publicKey ?? (named === undefined ? undefined : identity?.publicKey)
      const there = { publicKey: encodeKey(publicKey!), proto, as: as && encodeKey(as) }
      const number = typeof port === 'string' ? ticket?.maps.find(({ name }) => name === port)?.port : port
      const isClear = port === undefined || number !== undefined
      const shared = isClear && (await throughDaemon({ ...there, port: number }, controlOf(args, context)))
      const carryAll = (flow: Duplex | Datagrams): Promise<void> =>
        'send' in flow ? carryDatagrams(flow, pipes(), framing) : carry(flow, pipes())
      let node: HyperNat | undefined
      const abort = (): void => {
        if (!shared) return
        if ('send' in shared) shared.close()
        else shared.destroy()
      }
      signal.addEventListener('abort', abort)
      try {
        if (shared) await carryAll(shared)
        else {
          const { HyperNat } = await import('../hyper-nat.js')
          const { nodeOptions } = await import('../options/network-flags.js')
          node = new HyperNat({ ...nodeOptions(network), identity, log })
          const connection = await node.connect(ticket ?? publicKey!, { signal })
          await carryAll(await open(connection, proto, port, signal))
        }
        return EXIT.done
      } catch (err) {
        if (signal.aborted) return EXIT.done
        throw err
      } finally {
        signal.removeEventListener('abort', abort)
        await node?.close()
      }
    }
  }
}

/** @throws HyperNatError MAP_NOT_SHARED for a UDP port that the server does not share; OptionsError */
async function open(
  connection: Connection,
  proto: Place['proto'],
  port: number | string | undefined,
  signal: AbortSignal
): Promise<Duplex | Datagrams> {
  if (proto === 'tcp') {
    const same = connection.maps.filter(map => map.port === port)
    if (same.length > 0 && same.every(map => map.proto === 'udp'))
      throw new OptionsError([{ path: 'PORT', message: 'is a UDP port; add --udp, and --lines for text' }])
    return connection.stream(port ?? onlyPort(connection, proto), { signal })
  }
  const given = port ?? onlyPort(connection, proto)
  const flow = connection.datagrams(given)
  signal.addEventListener('abort', () => flow.close())
  // Nobody answers a datagram to say so.
  const isShared = connection.maps.some(map => map.proto === 'udp' && map.port === given)
  if (typeof given !== 'number' || isShared) return flow
  const { flowError } = await import('../sockets/flow-stream.js')
  throw flowError('MAP_NOT_SHARED')
}

/** A stream or UDP flow over the session that a running daemon of this user has; undefined where none has one, or can open it. */
async function throughDaemon(
  place: Place,
  control: ControlSetting
): Promise<ControlStream | ControlDatagrams | undefined> {
  const { findDaemons } = await import('../control/client.js')
  const limits = { ...CONTROL_LIMITS, whoMs: CONTROL_LIMITS.detourMs }
  const found = await findDaemons({ control }, undefined, limits).catch(() => [])
  let stream: ControlStream | ControlDatagrams | undefined
  for (const { control } of found) {
    // Why not, the node of this process will say.
    const opened = stream ? undefined : await control.connect(place, limits.whoMs).catch(() => undefined)
    if (opened) stream = opened
    else control.close()
  }
  return stream
}

/**
 * Bytes both ways, until each direction has ended; a terminal does not end, so there the other side's end is enough.
 * @throws HyperNatError why the connection ended otherwise
 */
async function carry(stream: Duplex, { input, output, closeOutput, isTerminal }: Pipes): Promise<void> {
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
    // Unless it was destroyed here, where there is no end to wait for.
    if (stream.readableEnded) await ended
  } finally {
    input.destroy()
  }
}

/** @throws OptionsError unless the server shares one port of this kind */
function onlyPort({ maps }: Connection, proto: Place['proto']): number {
  const fit = maps.filter(map => (map.proto === 'udp') === (proto === 'udp'))
  const ports = [...new Set(fit.map(({ port }) => port))]
  if (ports.length === 1) return ports[0]!
  const kind = proto.toUpperCase()
  const message =
    ports.length === 0
      ? `is missing, and the server shares no ${kind} port; ask the host to share one`
      : `is missing; give one of the ${kind} ports that the server shares: ${ports.join(', ')}`
  throw new OptionsError([{ path: 'PORT', message }])
}

/** A ticket may have been broken into several words; the port is the last one. */
function placeOf(given: readonly string[]): {
  server: string
  port: number | string | undefined
  fault?: string | undefined
} {
  const last = given.at(-1)
  if (given.length < 2 || last === undefined) return { server: given.join(''), port: undefined }
  if (PORT_PATTERN.test(last)) {
    const port = Number(last)
    const fault =
      port < 1 || port > PORT_MAX ? `is ${last}; give a whole number from 1 to ${PORT_MAX}` : undefined
    return { server: given.slice(0, -1).join(''), port, fault }
  }
  const isTicket = looksLikeTicket(given[0]!)
  if (isTicket && given.length > 2) return { server: given.join(''), port: undefined }
  const fault = given.length > 2 ? 'has several words; put a name with blanks in quotation marks' : undefined
  return { server: given[0]!, port: last, fault }
}
