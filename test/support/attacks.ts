// A guest who is let in and uses up what its host has: node attacks.js KIND PUBLIC_KEY BOOTSTRAP. Says {"up":true} when it begins,
// and goes on until its stdin ends.
import os from 'node:os'
import { Sealer } from '../../src/datagrams/seal.js'
import { RECEIVE_WINDOW_START } from '../../src/flows/arq/constants.js'
import { ACK, DATA, FIN, OPEN, PN } from '../../src/flows/arq/segment.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { LIMITS } from '../../src/limits.js'
import { Writer } from '../../src/wire/bytes.js'
import { INITIAL_WINDOW, MAX_FRAGMENTS, RECORD, SEAL_BYTES } from '../../src/wire/constants.js'
import { finFrame, openFrame, windowFrame } from '../../src/wire/frames.js'
import { Packer } from '../../src/wire/records.js'
import { dataFrame } from './data-frame.js'
import { freshKeys, type Intruder, intrude } from './intruder.js'
import { say } from './say.js'

export type Attack =
  | 'udp-flows'
  | 'unresolved'
  | 'unread'
  | 'untaken'
  | 'gapped'
  | 'segments'
  | 'pings'
  | 'fragments'
  | 'windows'
  | 'ends'
  | 'lingering'
  | 'answers'
  | 'stopped'

/** Sessions of the attacker, all under one key; for some attacks, as many as a key may have. */
const SESSIONS = 4
const MOST_SESSIONS: Partial<Record<Attack, number>> = { answers: LIMITS.guestSessions }
const FLOWS = 1000
/** Pages of memory, and those of a flow's first window. */
const PAGE = 4096
const PAGES = RECEIVE_WINDOW_START / PAGE
const PIECE = Buffer.alloc(16 * 1024, 'x')
/** When the attacker stops, if it does: so long after it was started, ms. */
const STOP_AFTER_MS = 5000
/** What is asked for in vain: all answers together take less than a session may keep. */
const REFUSALS = 15_000
/** How long a target takes to end a connection, at the most, ms. */
const ANSWER_MS = 1000
/** Acknowledges the first packet, and an end without a byte before it. */
const LAST_ACK = Buffer.from([ACK, 0, 0, 1, 0, 1, 0])
/** What the attacker would take, and never says that it has. */
const CREDIT = 4 << 20

const mapOf = ({ welcome }: Intruder, proto: string, n = 0): number =>
  welcome.maps.filter(map => map.proto === proto)[n]!.id

/** What seals and sends records of a session. */
function packerOf({ link, datagramKey }: Intruder): Packer {
  const sealer = new Sealer(datagramKey)
  return new Packer(
    () => link.datagramSize(1200) - SEAL_BYTES,
    plain => link.sendDatagram(sealer.seal(plain))
  )
}

/** A segment that opens its flow. */
const openSegment = (map: number): Uint8Array => Buffer.from([PN | OPEN, 0, 1, map])

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
    const [map, packer] = [mapOf(session, 'udp'), packerOf(session)]
    let flow = 0
    return () => {
      for (let i = 0; i < 100; i++) packer.udp(map, ++flow, Buffer.from('0123456789'))
      packer.flush()
    }
  },
  /** Sends large datagrams to a host whose name is not found. */
  unresolved(session) {
    const [map, packer] = [mapOf(session, 'udp', 1), packerOf(session)]
    let flow = 0
    return () => {
      for (let i = 0; i < 20; i++) packer.udp(map, ++flow % FLOWS, PIECE.subarray(0, 1100))
      packer.flush()
    }
  },
  /** Sends one byte for each page of the first window of ARQ flows, and never the first: none of them can be handed over. */
  gapped(session) {
    const [map, packer] = [mapOf(session, 'tcp'), packerOf(session)]
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
  },
  /** Asks ARQ flows for an acknowledgement, one after the other, with the smallest segments that there are. */
  segments(session) {
    const [map, packer] = [mapOf(session, 'tcp'), packerOf(session)]
    let [opened, flow, number] = [0, 0, 1]
    return () => {
      for (let i = 0; i < 20 && opened < FLOWS; i++) packer.segment(++opened, openSegment(map))
      for (let i = 0; i < 1000; i++) {
        flow = (flow % opened) + 1
        if (flow === 1) number = (number % 60) + 1
        packer.segment(flow, Buffer.from([PN, number]))
      }
      packer.flush()
    }
  },
  /** Asks for as many answers as fit into a datagram. */
  pings(session) {
    const packer = packerOf(session)
    return () => {
      for (let i = 0; i < 5000; i++) packer.ping(i & 127)
      packer.flush()
    }
  },
  /** Begins a large payload with each record, and completes none. */
  fragments(session) {
    const { link, datagramKey } = session
    const [map, sealer] = [mapOf(session, 'udp'), new Sealer(datagramKey)]
    let id = 0
    return () => {
      for (let n = 0; n < 10; n++) {
        const writer = new Writer()
        for (let i = 0; i < 80; i++) {
          id = (id + 1) & 0xffff
          writer.byte(RECORD.FRAGMENT)
          for (const value of [map, 1, id, 0, MAX_FRAGMENTS, 1]) writer.varint(value)
          writer.byte(0)
        }
        link.sendDatagram(sealer.seal(writer.take()))
      }
    }
  },
  /** Says again and again, of one flow after the other, that nothing has been received. */
  windows(session) {
    const map = mapOf(session, 'tcp', 1)
    let flow = 0
    return () => {
      if (session.link.room() <= 0) return
      if (flow < 50) return say(session.link, openFrame(++flow, map, 0))
      say(session.link, ...Array.from({ length: 500 }, (_, i) => windowFrame(1 + (i % flow), 0, i)))
    }
  },
  /** Opens flows and ends them at once. */
  ends(session) {
    const map = mapOf(session, 'tcp')
    let flow = 0
    return () => {
      if (session.link.room() <= 0) return
      const frames: Uint8Array[] = []
      for (let i = 0; i < 20; i++) frames.push(openFrame(++flow, map, CREDIT), finFrame(flow, 0))
      say(session.link, ...frames)
    }
  },
  /** Opens ARQ flows and ends them in good order: each stays for a while, in case that the last acknowledgement was lost. */
  lingering(session) {
    const [map, packer] = [mapOf(session, 'tcp'), packerOf(session)]
    const ends: { at: number; flow: number }[] = []
    let flow = 0
    return () => {
      const now = performance.now()
      if (ends.length < FLOWS) {
        packer.segment(++flow, Buffer.from([PN | DATA | OPEN | FIN, 0, 1, map, 0]))
        ends.push({ at: now + ANSWER_MS, flow })
      }
      while (ends.length > 0 && ends[0]!.at <= now) packer.segment(ends.shift()!.flow, LAST_ACK)
      packer.flush()
    }
  },
  /** Asks for what is refused, and is then stopped: nobody takes the answers. */
  answers(session) {
    let flow = 0
    return () => {
      if (flow < REFUSALS) {
        const opens = Array.from({ length: 1000 }, () => openFrame(++flow, 999, 0))
        say(session.link, ...opens)
      }
      if (performance.now() > STOP_AFTER_MS) process.kill(process.pid, 'SIGSTOP')
    }
  },
  /** Fills what it can, both ways, and is then stopped like a process that hangs: nothing is acknowledged any more. */
  stopped(session) {
    const fill = ATTACKS.untaken(session)
    const map = mapOf(session, 'tcp', 1)
    const packer = packerOf(session)
    let turns = 0
    return () => {
      fill()
      for (let i = 0; i < 5 && turns < FLOWS; i++) packer.segment(++turns, openSegment(map))
      packer.flush()
      if (performance.now() > STOP_AFTER_MS) process.kill(process.pid, 'SIGSTOP')
    }
  }
}

const [kind = '', key = '', bootstrap = ''] = process.argv.slice(2)
const keys = freshKeys()
const steps: (() => void)[] = []
for (let i = 0; i < (MOST_SESSIONS[kind as Attack] ?? SESSIONS); i++) {
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
