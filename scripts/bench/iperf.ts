import { Process, runProgram } from '../../test/support/process.js'
import { findProgram } from '../../test/support/programs.js'

export function hasIperf(): boolean {
  return findProgram('iperf3') !== undefined
}

/** An iperf3 server; `prefix` starts it on its core or in its namespace. */
export async function startIperf(prefix: readonly string[], host: string, port: number): Promise<Process> {
  const [command = '', ...args] = [...prefix, 'iperf3', '-s', '-B', host, '-p', `${port}`, '--forceflush']
  const server = new Process(command, args)
  await server.says(/listening/)
  return server
}

export interface IperfSums {
  sum_sent: { bits_per_second: number; bytes: number }
  sum_received: { bits_per_second: number; bytes: number }
  sum?: { lost_percent: number; packets: number; lost_packets: number }
}

/** Runs an iperf3 client to its end and gives its sums. */
export async function iperf(
  prefix: readonly string[],
  args: readonly string[],
  ms: number
): Promise<IperfSums> {
  const [command = '', ...rest] = [...prefix, 'iperf3', '-J', ...args]
  const { code, stdout, stderr } = await runProgram(command, rest, { ms })
  const { end, error } = parse(stdout)
  // A tunnel that ends iperf3's control connection early leaves a result without its sums.
  if (code !== 0 || !(end?.sum_received ?? end?.sum))
    throw new Error(`iperf3 ${args.join(' ')}: ${error ?? (stderr || 'no sums')}`)
  return end
}

function parse(text: string): { end?: IperfSums; error?: string } {
  try {
    return JSON.parse(text)
  } catch {
    return { error: text.slice(0, 500) }
  }
}
