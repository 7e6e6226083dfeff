// The packets on the loopback interface: kept, searched, sent again. Built from wire.c; Linux, root, gcc.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.js'
import { isLinux, isRoot } from './machine.js'
import { runProgram } from './process.js'
import { missing } from './programs.js'

/** The source is not in the build: from <build>/test/support back to the project. */
const source = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'test', 'support', 'wire.c')

/** Why packets cannot be captured here, or false. */
export function noWire(): string | false {
  if (!isLinux) return 'capturing packets needs Linux'
  if (!isRoot) return 'capturing packets needs root'
  return missing('gcc')
}

export interface Packet {
  /** As captured, from the IP header on. */
  readonly bytes: Buffer
  readonly sourcePort: number
  readonly port: number
  readonly payload: Buffer
}

export class Wire {
  readonly packets: Packet[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'hyper-nat-wire-'))
  readonly #program = join(this.#folder, 'wire')
  #capture: ChildProcess | undefined
  #rest = Buffer.alloc(0)

  /**
   * Starts to capture every UDP packet on the loopback interface.
   * @param elsewhere in place of it: an interface, and what to start a program with where that is
   */
  static async open(elsewhere?: { prefix: readonly string[]; interface: string }): Promise<Wire> {
    const wire = new Wire()
    const { code, stderr } = await runProgram('gcc', ['-O2', '-o', wire.#program, source])
    if (code !== 0) throw new Error(`wire.c: ${stderr}`)
    const { prefix = [], interface: where = 'lo' } = elsewhere ?? {}
    const [command = '', ...args] = [...prefix, wire.#program, 'capture', where]
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    wire.#capture = child
    child.stdout.on('data', data => wire.#take(data))
    await within(5_000, once(child.stderr, 'data'), () => 'the start of the capture')
    return wire
  }

  #take(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data])
    let at = 0
    while (this.#rest.length >= at + 4) {
      const end = at + 4 + this.#rest.readUInt32BE(at)
      if (this.#rest.length < end) break
      const bytes = Buffer.from(this.#rest.subarray(at + 4, end))
      const udp = ((bytes[0] ?? 0) & 15) * 4
      this.packets.push({
        bytes,
        sourcePort: bytes.readUInt16BE(udp),
        port: bytes.readUInt16BE(udp + 2),
        payload: bytes.subarray(udp + 8)
      })
      at = end
    }
    this.#rest = this.#rest.subarray(at)
  }

  /** Those packets that are neither from nor to these ports: the plain legs between a program and its daemon. */
  except(...ports: number[]): Packet[] {
    return this.packets.filter(p => !ports.includes(p.port) && !ports.includes(p.sourcePort))
  }

  /** Sends packets again, from the same addresses. */
  async replay(packets: readonly Packet[]): Promise<void> {
    const parts = packets.flatMap(({ bytes }) => {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(bytes.length)
      return [head, bytes]
    })
    const { code, stderr } = await runProgram(this.#program, ['inject'], { input: Buffer.concat(parts) })
    if (code !== 0) throw new Error(`inject: ${stderr}`)
  }

  async close(): Promise<void> {
    if (this.#capture) {
      const closed = once(this.#capture, 'close')
      this.#capture.kill()
      await closed
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
