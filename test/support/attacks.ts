// A guest who is let in and uses up what its host has: node attacks.js KIND PUBLIC_KEY BOOTSTRAP. Says {"up":true} when it begins,
// and goes on until its stdin ends.
import os from 'node:os'
import { Sealer } from '../../src/datagrams/seal.js'
import { RECEIVE_WINDOW_START } from '../../src/flows/arq/constants.js'
import { DATA, OPEN, PN } from '../../src/flows/arq/segment.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { INITIAL_WINDOW, SEAL_BYTES } from '../../src/wire/constants.js'
import { openFrame } from '../../src/wire/frames.js'
import { Packer } from '../../src/wire/records.js'
import { dataFrame } from './data-frame.js'
import { freshKeys, type Intruder, intrude } from './intruder.js'
import { say } from './say.js'

export type Attack = 'udp-flows' | 'unread' | 'untaken' | 'gapped'

/** Sessions of the attacker, all under one key. */
const SESSIONS = 4
const FLOWS = 1000
/** Pages of memory, and those of a flow's first window. */
const PAGE = 4096
const PAGES = RECEIVE_WINDOW_START / PAGE
const PIECE = Buffer.alloc(16 * 1024, 'x')
/** What the attacker would take, and never says that it has. */
const CREDIT = 4 << 20

const mapOf = ({ welcome }: Intruder, proto: string, n = 0): number =>
  welcome.maps.filter(map => map.proto === proto)[n]!.id

/** A segment that opens its flow and has one byte of it. */
function gappedSegment(map: number, number: number, offset: number): Uint8Array {
  // Numbers of up to 2^30, as in RFC 9000 section 16.
  const place = Buffer.alloc(4)
  place.writeUInt32BE(offset + 2 ** 31)
  return Buffer.concat([Buffer.from([PN | DATA | OPEN, number, 1, map]), place, Buffer.from('x')])
}

/** A little of the attack, on one session; called again and again. */
const ATTACKS: Record<Attack, (session: Intruder) => () => void> = {
  /** Each datagram begins another flow. */
  'udp-flows'(session) {
    const { link, datagramKey } = session
    const [map, sealer] = [mapOf(session, 'udp'), new Sealer(datagramKey)]
    const packer = new Packer(
      () => link.datagramSize(1200) - SEAL_BYTES,
      plain => link.sendDatagram(sealer.seal(plain))
    )
    let flow = 0
    return () => {
      for (let i = 0; i < 100; i++) packer.udp(map, ++flow, Buffer.from('0123456789'))
      packer.flush()
    }
  },
  /** Sends one byte for each page of the first window of ARQ flows, and never the first: none of them can be handed over. */
  gapped(session) {
    const { link, datagramKey } = session
    const [map, sealer] = [mapOf(session, 'tcp'), new Sealer(datagramKey)]
    const packer = new Packer(
      () => link.datagramSize(1200) - SEAL_BYTES,
      plain => link.sendDatagram(sealer.seal(plain))
    )
    let [flow, page] = [1, 0]
    return () => {
      if (flow > FLOWS) return
      for (let i = 0; i < PAGES; i++, page++) {
        packer.segment(flow, gappedSegment(map, page, page * PAGE + 1))
      }
      packer.flush()
      ;[flow, page] = [flow + 1, 0]
    }
  },
  /** Fills the first window of flows to a program that does not read. */
  unread(session) {
    const map = mapOf(session, 'tcp', 1)
    let [flow, sent] = [0, INITIAL_WINDOW]
    return () => {
      if (session.link.room() <= 0) return
      const frames: Uint8Array[] = []
      if (sent >= INITIAL_WINDOW) {
        if (flow === FLOWS) return
        frames.push(openFrame(++flow, map, 0))
        sent = 0
      }
      frames.push(dataFrame(flow, sent, PIECE))
      sent += PIECE.byteLength
      say(session.link, ...frames)
    }
  },
  /** Opens flows to a program that sends without end, and acknowledges nothing. */
  untaken(session) {
    const map = mapOf(session, 'tcp', 2)
    let flow = 0
    session.link.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
    return () => {
      if (flow < FLOWS && session.link.room() > 0) say(session.link, openFrame(++flow, map, CREDIT))
    }
  }
}

const [kind = '', key = '', bootstrap = ''] = process.argv.slice(2)
const keys = freshKeys()
const steps: (() => void)[] = []
for (let i = 0; i < SESSIONS; i++) {
  const session = await intrude(decodeKey(key), bootstrap.split(','), keys)
  steps.push(ATTACKS[kind as Attack](session))
}
// It stands for a machine elsewhere, which takes no time from this one.
os.setPriority(19)
console.log(JSON.stringify({ up: true }))
const go = (): void => {
  for (const step of steps) step()
  setImmediate(go)
}
go()
process.stdin.on('end', () => process.exit(0)).resume()
