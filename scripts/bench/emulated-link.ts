// Two network namespaces joined by linkem.c: a link with delay, loss and a rate, on Linux as root.
import { until } from '../../test/support/deadline.js'
import { isLinux, isRoot } from '../../test/support/machine.js'
import { Process, runProgram } from '../../test/support/process.js'
import { missing } from '../../test/support/programs.js'
import { buildC, type CProgram } from './c-program.js'

export interface LinkShape {
  /** One way. */
  delayMs: number
  lossPercent: number
  rateMbit: number
  queueKilobytes: number
  jitterMs: number
  seed: number
  /** Packets that come twice. */
  doublePercent?: number
  /** Nothing passes for `ms` at the start of every `everyMs`, but for the first. */
  silence?: { readonly ms: number; readonly everyMs: number }
}

/** Why there can be no link here, or false. */
export function noLink(): string | false {
  if (!isLinux) return 'the link emulator needs Linux'
  if (!isRoot) return 'the link emulator needs root'
  const absent = missing('gcc', 'ip')
  return absent ? `the link emulator: ${absent}` : false
}

export interface EmulatedLink {
  readonly addresses: readonly [string, string]
  /** Puts a program at an end: `ip netns exec NAME`. */
  readonly ends: readonly [string[], string[]]
  close(): Promise<void>
}

const ADDRESSES = ['11.0.0.1', '11.0.0.2'] as const
const DEVICES = ['hnlink0', 'hnlink1'] as const

/** Those of a second line, which has IPv6. */
const ADDRESSES6 = ['2a00:11::1', '2a00:11::2'] as const
const DEVICES6 = ['hnline0', 'hnline1'] as const

/** Builds the emulator. */
export const buildLinkem = (): Promise<CProgram> => buildC('linkem')

export async function openLink(linkem: string, shape: LinkShape): Promise<EmulatedLink> {
  const names = [0, 1].map(i => `hyper-nat-${process.pid}-${i}`) as [string, string]
  const made: string[] = []
  let emulator: Process | undefined
  const close = async () => {
    await emulator?.stop()
    for (const name of made) await runProgram('ip', ['netns', 'del', name])
  }
  try {
    for (const name of names) {
      await must('ip', ['netns', 'add', name])
      made.push(name)
      await must('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    }
    emulator = await joinEnds(
      linkem,
      names,
      DEVICES,
      ADDRESSES.map(address => `${address}/24`),
      shape
    )
    const ends = names.map(name => ['ip', 'netns', 'exec', name]) as [string[], string[]]
    return { addresses: ADDRESSES, ends, close }
  } catch (err) {
    await close()
    throw err
  }
}

/** Joins the ends of a link by a second line, for IPv6 alone, with a shape of its own. It ends with what is returned. */
export async function addIpv6Line(linkem: string, link: EmulatedLink, shape: LinkShape): Promise<Process> {
  const names = link.ends.map(end => end.at(-1)!) as [string, string]
  return joinEnds(
    linkem,
    names,
    DEVICES6,
    ADDRESSES6.map(address => `${address}/64`),
    shape
  )
}

/** Runs the emulator between two namespaces, and gives its devices addresses. */
async function joinEnds(
  linkem: string,
  names: readonly [string, string],
  devices: readonly [string, string],
  addresses: readonly string[],
  shape: LinkShape
): Promise<Process> {
  const { delayMs, lossPercent, rateMbit, queueKilobytes, jitterMs, seed } = shape
  const { doublePercent = 0, silence = { ms: 0, everyMs: 0 } } = shape
  const figures = [
    ...[delayMs, lossPercent, rateMbit, queueKilobytes, jitterMs, seed],
    ...[doublePercent, silence.ms, silence.everyMs]
  ].map(String)
  const emulator = new Process(linkem, [names[0], devices[0], names[1], devices[1], ...figures])
  try {
    for (const i of [0, 1] as const) {
      await until(5_000, `the device ${devices[i]}`, async () => {
        const { code } = await runProgram('ip', ['-n', names[i], 'link', 'show', devices[i]])
        return code === 0
      })
      const [address = ''] = addresses.slice(i)
      const flags = address.includes(':') ? ['nodad'] : []
      await must('ip', ['-n', names[i], 'addr', 'add', address, 'dev', devices[i], ...flags])
      await must('ip', ['-n', names[i], 'link', 'set', devices[i], 'up'])
    }
    return emulator
  } catch (err) {
    await emulator.stop()
    throw err
  }
}

/** Sets the kernel's TCP congestion control at both ends; false when this kernel does not have it. */
export async function setCongestionControl(link: EmulatedLink, name: string): Promise<boolean> {
  for (const [command = '', ...args] of link.ends) {
    const setting = `net.ipv4.tcp_congestion_control=${name}`
    const { code } = await runProgram(command, [...args, 'sysctl', '-q', '-w', setting])
    if (code !== 0) return false
  }
  return true
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(command, args)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}
