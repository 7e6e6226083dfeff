// A server that means harm: lets clients in, and floods each with one kind of thing: node hostile-server.js KIND BOOTSTRAP. Says
// {"key":"..."} once it can be found, floods between the lines "on" and "off" of its stdin, and says at each "off" how many bytes that
// were, and how many came as datagrams.
import os from 'node:os'
import { createInterface } from 'node:readline'
import { Sealer } from '../../src/datagrams/seal.js'
import { HyperNatError } from '../../src/errors.js'
import { childKeyPair } from '../../src/identity/child.js'
import { encodeKey } from '../../src/identity/encoding.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { serverHandshake } from '../../src/session/handshake.js'
import { systemClock } from '../../src/util/clock.js'
import {
  FEATURES,
  KEY_BYTES,
  MAX_MAPS,
  SEAL_BYTES,
  SESSION_ID_BYTES,
  VERSIONS
} from '../../src/wire/constants.js'
import { mapsFrame, rosterFrame, welcomeFrame } from '../../src/wire/frames.js'
import type { WireMap } from '../../src/wire/handshake.js'
import { Packer } from '../../src/wire/records.js'
import { freshKeys } from './intruder.js'
import { say } from './say.js'

export type ServerFlood = 'maps' | 'rosters' | 'frames' | 'pings'

/** What a client may think that it can use. */
const MAPS = [{ id: 1, proto: 'tcp', port: 80 }] as const
const DATAGRAM_KEY = Buffer.alloc(KEY_BYTES, 2)
/** Bytes of one message, and lists of port maps to choose from. */
const MESSAGE_BYTES = 200_000
const LISTS = 40

/** Sends a little; returns how many bytes. */
type Step = (link: StreamLink) => number

/** Sends a message as long as there is room. */
function messages(frame: (round: number) => Uint8Array): Step {
  let round = 0
  return link => {
    if (link.room() <= 0) return 0
    const frames: Uint8Array[] = []
    let size = 0
    for (let next = frame(++round); size + next.byteLength <= MESSAGE_BYTES; next = frame(++round)) {
      frames.push(next)
      size += next.byteLength
    }
    say(link, ...frames)
    return size
  }
}

const FLOODS: Record<ServerFlood, () => Step> = {
  /** As many port maps as a list may have, other ones each time. */
  maps() {
    const lists = Array.from({ length: LISTS }, (_, n) =>
      mapsFrame(
        Array.from(
          { length: MAX_MAPS },
          (_, i): WireMap => ({ id: n * MAX_MAPS + i, proto: i % 2 ? 'tcp' : 'udp', port: 1 + i })
        )
      )
    )
    return messages(round => lists[round % lists.length]!)
  },
  /** As many names as a list of guests may have, as long as they may be. */
  rosters() {
    const guests = Array.from({ length: 64 }, (_, i) => ({ name: 'n'.repeat(256), rtt: i }))
    const list = rosterFrame(guests)
    return messages(() => list)
  },
  /** The smallest frames, of a type that a client may not know. */
  frames() {
    const many = Buffer.alloc(MESSAGE_BYTES, Buffer.of(1, 0xff))
    return messages(() => many)
  },
  /** Datagrams full of questions, each of which is answered. */
  pings() {
    const sealer = new Sealer(DATAGRAM_KEY)
    return link => {
      let sent = 0
      const packer = new Packer(
        () => link.datagramSize(1200) - SEAL_BYTES,
        plain => {
          sent += plain.byteLength
          link.sendDatagram(sealer.seal(plain))
        }
      )
      for (let i = 0; i < 10_000; i++) packer.ping(i & 127)
      packer.flush()
      return sent
    }
  }
}

const [kind = '', bootstrap = ''] = process.argv.slice(2)
const keyPair = freshKeys()
const node = new Node({ bootstrap: bootstrap.split(','), portMapping: false }, LIMITS, silentLog)
const links = new Set<StreamLink>()
let sent = 0
let received = 0

function welcome(link: StreamLink): void {
  const deps = { link, sharedKey: keyPair.publicKey, clock: systemClock, timeoutMs: 5000 }
  serverHandshake(deps, hello => {
    if (hello instanceof HyperNatError) return
    say(
      link,
      welcomeFrame({
        versions: VERSIONS,
        features: FEATURES,
        session: Buffer.alloc(SESSION_ID_BYTES, 1),
        host: Buffer.alloc(KEY_BYTES, 3),
        datagramKey: DATAGRAM_KEY,
        maps: MAPS,
        resumed: null
      })
    )
    links.add(link)
    const datagram = ({ byteLength }: Uint8Array): void => void (received += byteLength)
    link.events = { message() {}, datagram, drain() {}, path() {}, close: () => links.delete(link) }
  })
}

await node.announce(childKeyPair(keyPair), welcome, () => {})
const step = FLOODS[kind as ServerFlood]()
// It stands for a machine elsewhere, which takes no time from this one.
os.setPriority(19)
let on = false
const go = (): void => {
  if (!on) return
  for (const link of links) sent += step(link)
  setImmediate(go)
}
console.log(JSON.stringify({ key: encodeKey(keyPair.publicKey) }))
for await (const line of createInterface(process.stdin)) {
  on = line === 'on'
  if (!on) console.log(JSON.stringify({ sent, received }))
  go()
}
process.exit(0)
