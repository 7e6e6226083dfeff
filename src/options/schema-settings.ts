/** The settings of options.json besides its entries, in zod: the network, the log, limits, what others can look at. */
import * as z from 'zod'
import { LIMITS } from '../limits.js'
import { bootstrapFault, hostFault, isRelayUrl, relayUrlFault, tcpMappingFault } from '../text/hosts.js'
import { PORT_MAX } from '../text/ports.js'
import { oneOf, quote } from '../text/quote.js'
import { DEVICES_MAX } from './schema-access.js'
import { host, keyOf, notText, says, yesOrNo } from './schema-fields.js'

/** Seconds in a day: an idle UDP flow that is kept longer is a leak. */
const UDP_IDLE_MAX = 86_400
const RESUME_MAX = 3600

/** Of anything in a second or a minute: beyond it a limit is none. */
const RATE_MAX = 10_000_000

const portFault = says(
  value => `is ${value === undefined ? 'missing' : quote(value)}; give a whole number from 1 to ${PORT_MAX}`
)

function fileName(description: string) {
  return z
    .string(notText('it is the name of a file'))
    .min(1, { error: 'is empty; it is the name of a file' })
    .meta({ description })
}

const tcp = z
  .strictObject(
    {
      port: z
        .int(portFault)
        .min(1, portFault)
        .max(PORT_MAX, portFault)
        .meta({ description: 'The TCP port to listen on.' }),
      host: z
        .string(notText('an address of this machine'))
        .superRefine((value, ctx) => {
          const message = hostFault(value)
          if (message) ctx.addIssue({ code: 'custom', message, input: value })
        })
        .meta({
          description:
            'The address on this machine to listen on, such as 127.0.0.1 behind a reverse proxy; all if left out.'
        })
        .optional(),
      address: z
        .string(notText('an address such as wss://my.example/hn'))
        .superRefine((value, ctx) => {
          const message = relayUrlFault(value)
          if (message) ctx.addIssue({ code: 'custom', message, input: value })
        })
        .meta({
          description:
            'How others reach it, wss://host/path: tickets tell it. Behind a # there may be a token that guests need.'
        })
        .optional(),
      tls: z
        .strictObject(
          {
            cert: fileName('The certificate with its chain, in PEM form, relative to this file.'),
            key: fileName('Its private key, in PEM form, relative to this file.')
          },
          says(value => `is ${quote(value)}; give { "cert": "fullchain.pem", "key": "privkey.pem" }`)
        )
        .meta({ description: 'For TLS without a reverse proxy; read again when the files change.' })
        .optional(),
      portMapping: yesOrNo(
        'Whether to ask the router for the TCP port, too (UPnP, NAT-PMP, PCP): for the one of the address, or any; false if left out.'
      )
    },
    says(
      value => `is ${quote(value)}; give an object such as { "port": 443, "address": "wss://my.example/hn" }`
    )
  )
  .superRefine(({ host, portMapping }, ctx) => {
    const message = tcpMappingFault(portMapping, host)
    if (message) ctx.addIssue({ code: 'custom', path: ['portMapping'], message, input: portMapping })
  })
  .meta({
    description: 'Servers here can be reached by TCP, too, by guests whose network blocks UDP.'
  })

export const networkShape = {
  bootstrap: z
    .array(
      z.string(notText('a node is "host:port"')).superRefine((value, ctx) => {
        const message = bootstrapFault(value)
        if (message) ctx.addIssue({ code: 'custom', message, input: value })
      }),
      says(value => `is ${quote(value)}; give a list such as ["203.0.113.7:49737"]`)
    )
    .min(1, { error: 'is an empty list; leave it out to use the public DHT' })
    .meta({ description: 'host:port of the DHT nodes to start from; the public DHT if left out.' })
    .optional(),
  relay: z
    .array(
      z
        .string(notText('a relay is the public key, or the address, that hyper-nat relay shows'))
        .meta({
          description:
            'What the relay shows when it starts: its public key, or its address, wss://host/path, for networks that block UDP.'
        })
        .transform((value, ctx): Uint8Array | string => {
          if (!isRelayUrl(value)) return keyOf(value, ctx)
          const message = relayUrlFault(value)
          if (message === undefined) return value
          ctx.addIssue({ code: 'custom', message, input: value })
          return z.NEVER
        }),
      says(
        value =>
          `is ${quote(value)}; give a list of the public keys, or addresses, that hyper-nat relay shows`
      )
    )
    .min(1, { error: 'is an empty list; leave it out to use no relay' })
    .meta({
      description:
        'Relays for when no direct path can be opened, or UDP is blocked, the preferred first. For the former, one side that names them is enough.'
    })
    .optional(),
  tcp: tcp.optional(),
  portMapping: yesOrNo(
    'Whether servers here ask the router for a UDP port that leads to them (UPnP, NAT-PMP, PCP); true if left out.'
  ),
  lan: yesOrNo(
    'Whether clients search the LAN for servers while there is no DHT, and servers here answer; true if left out.'
  ),
  ipv6: yesOrNo(
    'Whether sessions may go on over IPv6, for which both sides tell each other their IPv6 addresses; true if left out.'
  )
}

export const network = z
  .strictObject(
    networkShape,
    says(value => `is ${quote(value)}; give an object such as { "bootstrap": ["203.0.113.7:49737"] }`)
  )
  .meta({ description: 'How this machine reaches the DHT.' })

const uiFault = says(
  value =>
    `is ${quote(value)}; give true, false or { "port": 8765 }, with a port from 0 (any free one) to ${PORT_MAX}`
)

const ui = z
  .union(
    [z.boolean(), z.strictObject({ port: z.int(uiFault).min(0, uiFault).max(PORT_MAX, uiFault) }, uiFault)],
    uiFault
  )
  .meta({
    description:
      'The page on this computer to look at and to change all this: true, or { "port": 8765 } to have it always at that port; none if left out.'
  })
  .transform(value => (value === true ? { port: 0 } : value || undefined))

const metricsPortFault = says(
  value =>
    `is ${value === undefined ? 'missing' : quote(value)}; give a whole number from 0 (any free one) to ${PORT_MAX}`
)

export const metricsShape = {
  port: z
    .int(metricsPortFault)
    .min(0, metricsPortFault)
    .max(PORT_MAX, metricsPortFault)
    .meta({ description: 'The TCP port; 0 for any free one.' }),
  host: host('The address on this machine to listen on; others can read the metrics unless it is 127.0.0.1.')
}

const metrics = z
  .strictObject(
    metricsShape,
    says(value => `is ${quote(value)}; give an object such as { "port": 9464 }`)
  )
  .meta({ description: 'Serves metrics for Prometheus, at http://127.0.0.1:PORT/metrics.' })

const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const

export const logShape = {
  file: z
    .string(notText('it is the name of a file'))
    .min(1, { error: 'is empty; it is the name of a file' })
    .meta({
      description: 'The file, relative to this one. At 10 MB it becomes FILE.1, and a new one begins.'
    }),
  level: z
    .enum(
      LOG_LEVELS,
      says(value => `is ${quote(value)}; give ${oneOf(LOG_LEVELS.map(level => `"${level}"`))}`)
    )
    .meta({ description: 'The lowest level that is written: error, warn, info or debug; info if left out.' })
    .optional()
}

const log = z
  .strictObject(
    logShape,
    says(value => `is ${quote(value)}; give an object such as { "file": "hyper-nat.log" }`)
  )
  .meta({ description: 'A log in a file: one JSON object per line.' })

function seconds(min: number, max: number, description: string) {
  const error = says(value => `is ${quote(value)}; give a number of seconds from ${min} to ${max}`)
  return z.number(error).min(min, error).max(max, error).meta({ description }).optional()
}

/** A number of src/limits.ts; 0, where it is allowed, means no limit. A rate that must not be 0 says so. */
function limit(min: number, max: number, preset: number, description: string) {
  const error = says(value => `is ${quote(value)}; give a whole number from ${min} to ${max}`)
  const lowest = min === 0 ? '; 0 for no limit' : max === RATE_MAX ? '; at least 1' : ''
  return z
    .int(error)
    .min(min, error)
    .max(max, error)
    .meta({ description: `${description} (${preset}${lowest}).` })
    .optional()
}

/** Named as in src/limits.ts. */
export const limitsShape = {
  sessions: limit(1, 65_536, LIMITS.sessions, 'Sessions of one server at a time'),
  guestSessions: limit(1, DEVICES_MAX, LIMITS.guestSessions, 'Sessions of one guest at a time'),
  tcpFlows: limit(1, 65_536, LIMITS.tcpFlows, 'TCP connections of one session at a time'),
  udpFlows: limit(1, 65_536, LIMITS.udpFlows, 'UDP conversations of one session at a time'),
  flowsPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.flowsPerSecond,
    `New TCP connections of one guest per second, after the first ${LIMITS.flowBurst}; further ones wait`
  ),
  framesPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.framesPerSecond,
    'Frames per second of the shared stream of one guest, or of a server to its guest, which opens connections and carries tcp on one machine and in a LAN; further ones wait'
  ),
  udpPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.udpPerSecond,
    'UDP datagrams of one guest per second, each way; further ones are dropped'
  ),
  datagramsPerSecond: limit(
    0,
    RATE_MAX,
    LIMITS.datagramsPerSecond,
    'Packets per second of one guest, or of a server to its guest, that carry udp, tcpudp and, over the internet, tcp, of which those below 600 bytes count four times; further ones are dropped'
  ),
  guestBytesPerSecond: limit(
    0,
    Number.MAX_SAFE_INTEGER,
    LIMITS.guestBytesPerSecond,
    'Bytes of one guest per second, both ways together: tcp and tcpudp wait, udp is dropped'
  ),
  greetings: limit(
    1,
    65_536,
    LIMITS.greetings,
    'Connections at a time that have not shown yet that they know the public key'
  ),
  handshakesPerMinute: limit(
    1,
    RATE_MAX,
    LIMITS.handshakesPerMinute,
    'Handshakes of strangers per minute that are answered'
  ),
  addressHandshakesPerMinute: limit(
    1,
    RATE_MAX,
    LIMITS.addressHandshakesPerMinute,
    'Handshakes per minute of one address, or one known guest, that are answered'
  ),
  handshakeLooksPerSecond: limit(
    1,
    RATE_MAX,
    LIMITS.handshakeLooksPerSecond,
    'Handshakes per second that are decrypted, to see whose they are'
  )
}

const limits = z
  .strictObject(
    limitsShape,
    says(value => `is ${quote(value)}; give an object such as { "sessions": 20 }`)
  )
  .meta({ description: 'What servers here allow their guests.' })

/** All keys of the file but its entries. */
export const settingsShape = {
  $schema: z
    .unknown()
    .meta({ description: 'For editors: where the JSON Schema of this file is.' })
    .optional(),
  network: network.optional(),
  identity: z
    .string(notText('it is the name of a file'))
    .min(1, { error: 'is empty; it is the name of a file, or left out for a fresh key each time' })
    .meta({
      description:
        'A file with the key by which servers know this computer, relative to this file; made on first use. If left out: with a page one key for each server, else a fresh key each time.'
    })
    .optional(),
  metrics: metrics.optional(),
  log: log.optional(),
  control: z
    .union([z.literal(false), z.string().min(1)], says(controlFault))
    .meta({
      description:
        'The folder of the control socket, which hyper-nat status, stop, reload and logs use, relative to this file; false for no socket. If left out, a folder that only you can enter, where those commands look for it.'
    })
    .optional(),
  udpIdle: seconds(
    1,
    UDP_IDLE_MAX,
    'Seconds without a datagram until a UDP conversation is forgotten (300).'
  ),
  resume: seconds(
    0,
    RESUME_MAX,
    'Seconds that TCP connections and UDP conversations stay open while there is no connection to the other side (60; 0: they end with it).'
  ),
  ui: ui.optional(),
  limits: limits.optional()
}

function controlFault(value: unknown): string {
  return `is ${quote(value)}; give the name of a folder, or false for no control socket`
}
