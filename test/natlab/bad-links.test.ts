// tcpudp maps over an emulated link of 20 ms each way and 100 Mbit/s that loses, doubles, delays and swallows packets: real
// processes at both ends, every byte compared. HYPER_NAT_LINK_FULL=1 carries a gigabyte and 500 connections.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hyperNatWith } from '../../scripts/bench/contenders.js'
import {
  buildLinkem,
  type EmulatedLink,
  type LinkShape,
  noLink,
  openLink
} from '../../scripts/bench/emulated-link.js'
import { startDht } from '../../scripts/bench/link.js'
import { cpuSeconds, peakResidentBytes } from '../support/machine.js'
import { Process, runProgram } from '../support/process.js'

const MB = 1_000_000
const full = process.env.HYPER_NAT_LINK_FULL === '1'
const clean: LinkShape = {
  delayMs: 20,
  lossPercent: 0,
  rateMbit: 100,
  queueKilobytes: 512,
  jitterMs: 0,
  seed: 1
}

interface Haul {
  readonly name: string
  readonly shape: Partial<LinkShape>
  readonly connections: number
  readonly up: number
  readonly down: number
  /** Most resident memory of either end at its peak, bytes. */
  readonly memory?: number
}

const rough: Partial<LinkShape> = { doublePercent: 5, jitterMs: 20, silence: { ms: 300, everyMs: 2000 } }

const links: readonly (readonly [name: string, shape: Partial<LinkShape>])[] = [
  ['no loss', {}],
  ['5 % loss', { lossPercent: 5 }],
  ['20 % loss', { lossPercent: 20 }],
  ['20 ms of jitter', { jitterMs: 20 }],
  ['doubled, late, with gaps', rough]
]

const hauls: readonly Haul[] = full
  ? links.flatMap(([name, shape]) => [
      { name: `1 GB each way, ${name}`, shape, connections: 1, up: 1000 * MB, down: 1000 * MB },
      { name: `500 connections up, ${name}`, shape, connections: 500, up: MB, down: 0, memory: 300 * MB },
      { name: `500 connections down, ${name}`, shape, connections: 500, up: 0, down: MB, memory: 300 * MB }
    ])
  : [
      { name: '50 connections at 20 % loss', shape: { lossPercent: 20 }, connections: 50, up: MB, down: 0 },
      {
        name: '20 MB each way, doubled, late, with gaps',
        shape: rough,
        connections: 1,
        up: 20 * MB,
        down: 20 * MB
      }
    ]

const haulageFile = join(dirname(fileURLToPath(import.meta.url)), 'haulage.js')
const skip = noLink()

for (const haul of hauls) {
  test(`${haul.name}: every byte arrives`, { skip, timeout: full ? 900_000 : 120_000 }, async t => {
    const linkem = await buildLinkem()
    try {
      const link = await openLink(linkem.file, { ...clean, ...haul.shape })
      try {
        await carry(link, haul, line => t.diagnostic(line))
      } finally {
        await link.close()
      }
    } finally {
      linkem.remove()
    }
  })
}

async function carry(link: EmulatedLink, haul: Haul, say: (line: string) => void): Promise<void> {
  const { connections, up, down, memory } = haul
  const [atClient, atServer] = link.ends
  const dht = await startDht(link)
  const receiver = at(atServer, 'receive')
  try {
    const [, port] = await receiver.says(/port (\d+)/)
    const site = {
      bootstrap: dht.bootstrap,
      atClient,
      atServer,
      bindHost: '0.0.0.0',
      targetHost: link.addresses[1],
      localHost: '127.0.0.1'
    }
    const route = await hyperNatWith('hyper-nat tcpudp', ['tcpudp']).open(site, Number(port))
    try {
      const ends = [route.client!, route.server!]
      const idle = ends.map(end => cpuSeconds(end.pid))
      const from = performance.now()
      const [command = '', ...args] = [...atClient, process.execPath, haulageFile, 'send']
      const { code, stdout, stderr } = await runProgram(
        command,
        [...args, ...[route.tcp, connections, up, down].map(String)],
        { ms: full ? 840_000 : 100_000 }
      )
      const seconds = (performance.now() - from) / 1000
      assert.equal(code, 0, stderr)
      assert.deepEqual(JSON.parse(stdout), [], receiver.stderr)
      const rate = (connections * (up + down) * 8) / seconds / 1e6
      const peaks = ends.map(end => peakResidentBytes(end.pid))
      const cpu = ends.map((end, i) => (cpuSeconds(end.pid) - idle[i]!).toFixed(1))
      const memories = peaks.map(bytes => (bytes / MB).toFixed()).join(' and ')
      say(
        `${seconds.toFixed(1)} s, ${rate.toFixed(1)} Mbit/s; client and server: ${memories} MB, ${cpu.join(' and ')} s of CPU`
      )
      if (memory) for (const peak of peaks) assert.ok(peak < memory, `${memories} MB at the peak`)
    } finally {
      await route.close()
    }
  } finally {
    await receiver.stop()
    await dht.process.stop()
  }
}

function at(prefix: readonly string[], mode: string): Process {
  const [command = '', ...args] = [...prefix, process.execPath, haulageFile, mode]
  return new Process(command, args)
}
