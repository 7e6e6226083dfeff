/** Flags that every command has, and those that `server` and `client` have alike. */

import type { Options as Flag } from 'yargs'
import type { ControlSetting } from '../control/place.js'
import { type Fault, OptionsError } from '../errors.js'
import type { AccessFlags } from '../options/access-flags.js'
import type { NetworkOptions, Options } from '../options/entry.js'
import { perFeature, type ServerFeatures, serverFeatures } from '../options/features.js'
import type { NetworkFlag, NetworkFlags } from '../options/network-flags.js'
import { type Arguments, list, text, words } from './command.js'
import type { CliContext } from './context.js'

export const everyFlag: Readonly<Record<string, Flag>> = {
  bootstrap: {
    type: 'string',
    describe: 'DHT nodes to start from, instead of the public DHT (or HYPER_NAT_BOOTSTRAP)'
  },
  control: {
    type: 'string',
    describe:
      'Folder of the control socket, for status, stop, reload and logs; off for none (or HYPER_NAT_CONTROL)'
  },
  verbose: { alias: 'v', type: 'count', describe: 'Show more on stderr; -vv shows everything' },
  quiet: { type: 'boolean', describe: 'Show only errors, tickets and new secrets' },
  json: { type: 'boolean', describe: 'One JSON object per event on stdout, diagnostics as JSON on stderr' }
}

export const protocolFlag: Readonly<Record<string, Flag>> = {
  protocol: {
    alias: 'proto',
    type: 'string',
    array: true,
    describe: 'udp (the default), tcp or tcpudp: one for all ports, or one for each; tcp+udp for both'
  }
}

export const relayFlag: Readonly<Record<string, Flag>> = {
  relay: {
    type: 'string',
    array: true,
    describe:
      'Relays, for when there is no direct path: public keys; for when UDP is blocked: wss://host/path (or HYPER_NAT_RELAY)'
  }
}

/** Where a relay, or a server that is its own, is reached by TCP. */
export const tcpFlags: Readonly<Record<string, Flag>> = {
  tcp: { type: 'string', describe: 'Be reached by TCP, too, at this port, where UDP is blocked' },
  'tcp-address': {
    type: 'string',
    describe: 'How others reach that port: wss://host/path; behind a # a token that they need'
  },
  'tcp-host': {
    type: 'string',
    describe: 'The address to listen on: 127.0.0.1 behind a reverse proxy (all)'
  },
  'tls-cert': { type: 'string', describe: 'Its certificate, a PEM file (without one: ws://)' },
  'tls-key': { type: 'string', describe: 'The private key of the certificate, a PEM file' }
}

/** What those flags say, for {@link NetworkFlags}. */
export function tcpOf(args: Arguments): Pick<NetworkFlags, 'tcp'> {
  const port = text(args, 'tcp')
  const flags = {
    port: port !== undefined && /^\d+$/.test(port) ? Number(port) : port,
    host: text(args, 'tcp-host'),
    address: text(args, 'tcp-address'),
    cert: text(args, 'tls-cert'),
    key: text(args, 'tls-key'),
    portMapping: isGiven(args, 'tcp-port-mapping') || undefined
  }
  return Object.values(flags).some(value => value !== undefined) ? { tcp: flags } : {}
}

export const keyFlag: Readonly<Record<string, Flag>> = {
  'public-key': { alias: 'k', type: 'string', describe: 'The public key that the server shows' }
}

/** The words of a ticket, which stand for a public key and its network. */
export const ticketWords = {
  name: 'ticket',
  describe: 'In place of -k: the text that begins with hnat1, the public key, or the name of a friend'
}

/**
 * The server that a command is about: its public key, or its ticket, perhaps by the name of a friend.
 * @throws HyperNatError when the file of friends cannot be read
 */
export async function serverOf(
  args: Arguments
): Promise<{ publicKey: string | undefined; ticket: string | undefined }> {
  const publicKey = text(args, 'public-key')
  const given = words(args, ticketWords.name).join('')
  if (given === '') return { publicKey, ticket: undefined }
  const { isKey, serverNamed } = await import('../options/friends.js')
  const server = await serverNamed(given)
  // A friend may be known by the key alone.
  if (publicKey === undefined && isKey(server)) return { publicKey: server, ticket: undefined }
  return { publicKey, ticket: server }
}

export const discoveryFlag: Readonly<Record<string, Flag>> = {
  'no-discovery': { type: 'boolean', describe: 'Do not show games in LAN lists' }
}

/** Whether games may show up in LAN lists. */
export function discoveryOf(args: Arguments): boolean {
  return args['no-discovery'] !== true
}

/** Where a server's secret comes from (secret-source.ts). */
export const secretFlags: Readonly<Record<string, Flag>> = {
  secret: {
    alias: 's',
    type: 'string',
    describe: 'Secret your key is derived from (or HYPER_NAT_SECRET); other users see it in the process list'
  },
  'secret-file': { type: 'string', describe: 'A file that holds the secret; - for stdin' },
  'save-secret': {
    type: 'string',
    describe: 'Keep the secret in this file: used if it is there, else a new one is written'
  }
}

/** Who may come in. */
export const accessFlags: Readonly<Record<string, Flag>> = {
  private: { type: 'boolean', describe: 'Admit only the keys that --allow lists' },
  allow: {
    type: 'string',
    array: true,
    describe: 'Public key(s) of friends, which hyper-nat id shows them; NAME=KEY shows the name'
  },
  roster: { type: 'boolean', describe: 'Let guests see who else is connected, by name, with the ping' }
}

export function accessOf(args: Arguments): AccessFlags {
  return { private: isGiven(args, 'private'), roster: isGiven(args, 'roster'), allow: list(args, 'allow') }
}

export const portMappingFlag: Readonly<Record<string, Flag>> = {
  'no-port-mapping': {
    type: 'boolean',
    describe: 'Do not ask the router to map a UDP port (UPnP, NAT-PMP, PCP)'
  }
}

/** How guests reach a server by TCP that is its own relay. */
export const ownRelayFlags: Readonly<Record<string, Flag>> = {
  ...tcpFlags,
  'tcp-port-mapping': {
    type: 'boolean',
    describe: 'Ask the router to map the TCP port, too: the one of --tcp-address, or any'
  }
}

const lanFlag: Readonly<Record<string, Flag>> = {
  'no-lan': {
    type: 'boolean',
    describe: 'Do not search for servers in the LAN, or answer there, while there is no DHT'
  }
}

const ipv6Flag: Readonly<Record<string, Flag>> = {
  'no-ipv6': {
    type: 'boolean',
    describe: "Use no IPv6, and tell nobody this computer's IPv6 addresses"
  }
}

/** How servers are reached, for commands that reach or announce one. */
export const networkFlags: Readonly<Record<string, Flag>> = { ...relayFlag, ...lanFlag, ...ipv6Flag }

/** Whether the router is to be left alone. */
export function portMappingOf(args: Arguments): Pick<NetworkFlags, 'portMapping'> {
  return args['no-port-mapping'] === true ? { portMapping: false } : {}
}

/** How guests reach what is shared. */
export function reachOf(args: Arguments, context: Pick<CliContext, 'env'>): NetworkFlags {
  return { ...networkOf(args, context), ...portMappingOf(args), ...tcpOf(args) }
}

/** Aborts what runs in the library when the program is to end. */
export function stopSignal(stopped: Promise<unknown>): AbortSignal {
  const controller = new AbortController()
  void stopped.then(() => controller.abort())
  return controller.signal
}

export const identityFlag: Readonly<Record<string, Flag>> = {
  identity: {
    type: 'string',
    describe:
      'File with the key that identifies you to servers (a new key each time; ui, connect: one for each server)'
  }
}

/** Where a client listens. */
export const localHostFlags: Readonly<Record<string, Flag>> = {
  'local-host': {
    type: 'string',
    describe: 'The address to listen on (127.0.0.1); for one tcp port, a socket: unix:/path.sock'
  },
  'socket-mode': { type: 'string', describe: 'Permissions of that socket (0600: this user alone)' }
}

export const qrFlag: Readonly<Record<string, Flag>> = {
  qr: { type: 'boolean', describe: 'Show the ticket as a QR code, too' }
}

export const duplicateFlag: Readonly<Record<string, Flag>> = {
  duplicate: {
    type: 'boolean',
    describe:
      'Send small UDP datagrams twice, for a line that loses packets; each side says it for what it sends'
  }
}

/** The on/off options of a server's port maps. */
export const featureFlags: Readonly<Record<string, Flag>> = Object.fromEntries(
  serverFeatures.map(([, { flag, help }]) => [flag, { type: 'boolean', describe: help }])
)

export function featuresOf(args: Arguments): ServerFeatures {
  return perFeature(({ flag }) => isGiven(args, flag))
}

/** A flag that is given or not. */
export function isGiven(args: Arguments, name: string): true | undefined {
  return args[name] === true ? true : undefined
}

/** Whose guests. */
export const guestFlags: Readonly<Record<string, Flag>> = {
  config: { alias: 'c', type: 'string', describe: 'A file other than ./options.json' },
  server: {
    type: 'string',
    describe: 'Which server, if the file has several: its public key, a port or the name of an entry'
  }
}

/** Where the control socket is: as the flag says, or else the environment. */
export function controlOf(args: Arguments, { env }: Pick<CliContext, 'env'>): ControlSetting {
  const given = text(args, 'control') ?? env.HYPER_NAT_CONTROL
  return given === 'off' ? false : given || undefined
}

/** The options as they are with this place of the control socket, also when they are read again. */
export function withControl(options: Options, control: ControlSetting): Options {
  if (control === undefined) return options
  const { source } = options
  const read = async (): Promise<Options> => ({ ...(await source!.read()), control })
  return { ...options, control, ...(source && { source: { ...source, read } }) }
}

/** DHT nodes and relays, each from its flag or else the environment, and whether the LAN is to be left alone. */
export function networkOf(args: Arguments, context: Pick<CliContext, 'env'>): NetworkFlags {
  return {
    bootstrap: given(args, context, 'bootstrap', 'HYPER_NAT_BOOTSTRAP'),
    relay: given(args, context, 'relay', 'HYPER_NAT_RELAY'),
    ...(args['no-lan'] === true && { lan: false }),
    ...(args['no-ipv6'] === true && { ipv6: false })
  }
}

/** What those say of the network; faults in it are added to `faults`. */
export async function networkGiven(flags: NetworkFlags, faults: Fault[]): Promise<NetworkOptions> {
  const { checkNetwork } = await import('../options/check.js')
  const { networkPlaces, withNetwork } = await import('../options/network-flags.js')
  try {
    return checkNetwork(withNetwork({}, flags), networkPlaces({ field: String, entry: String }, flags))
  } catch (err) {
    if (!(err instanceof OptionsError)) throw err
    faults.push(...err.faults)
    return {}
  }
}

function given(
  args: Arguments,
  { env }: Pick<CliContext, 'env'>,
  flag: string,
  variable: string
): NetworkFlag | undefined {
  const text = list(args, flag)
  if (text !== undefined) return { text, place: `--${flag}` }
  const value = env[variable]
  return value === undefined ? undefined : { text: value, place: variable }
}
