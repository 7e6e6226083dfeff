/** A home router that maps ports: Debian's miniupnpd (nftables) in the namespace of a router of the lab. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Process, runProgram } from '../support/process.js'
import { findProgram } from '../support/programs.js'
import type { Home } from './lab.js'

/** What it can be asked in. */
export type Speaks = 'upnp' | 'nat-pmp' | 'pcp'

/** A mapping as the kernel has it. */
export interface Redirect {
  readonly externalPort: number
  /** `host:port` in the LAN. */
  readonly target: string
}

/** The chains that it fills. What they let in is not forwarded for that: another table of the router has its say, too. */
const CHAINS = `
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
}
`

/** It speaks both on one port; the first byte tells which. */
const NO_PCP = `
table inet nopcp {
  chain input { type filter hook input priority -10; policy accept; udp dport 5351 @th,64,8 2 drop; }
}
`

export interface MiniupnpdOptions {
  readonly speaks: Speaks
  /** What it tells as its address; that of its WAN side if left out. */
  readonly address?: string
  /** Whether it answers only after {@link Miniupnpd.release}. */
  readonly held?: boolean
}

/** Why there is none, or false. */
export function noMiniupnpd(): string | false {
  const missing = ['miniupnpd', 'nft'].filter(program => !findProgram(program))
  if (missing.length === 0) return false
  const reason = `the programs ${missing.join(' and ')} are not installed`
  if (process.env.HYPER_NAT_REQUIRE_NATLAB === '1')
    throw new Error(`HYPER_NAT_REQUIRE_NATLAB is set, but ${reason}`)
  return reason
}

export class Miniupnpd {
  readonly #router: readonly string[]
  readonly #folder: string
  readonly #process: Process

  private constructor(router: readonly string[], folder: string, options: MiniupnpdOptions) {
    const { speaks, address } = options
    this.#router = router
    this.#folder = folder
    const config = join(folder, 'miniupnpd.conf')
    const lines = [
      'ext_ifname=wan',
      'listening_ip=lan',
      'ipv6_disable=yes',
      ...(address ? [`ext_ip=${address}`] : []),
      `enable_natpmp=${speaks === 'upnp' ? 'no' : 'yes'}`,
      `enable_upnp=${speaks === 'upnp' ? 'yes' : 'no'}`,
      'secure_mode=yes',
      'http_port=0',
      // A few seconds, so that a test can see a mapping being renewed.
      'min_lifetime=2',
      'max_lifetime=86400',
      `uuid=${crypto.randomUUID()}`,
      'allow 1024-65535 192.168.7.0/24 1024-65535',
      'deny 0-65535 0.0.0.0/0 0-65535'
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const args = ['miniupnpd', '-d', '-f', config, '-P', join(folder, 'pid')]
    this.#process = new Process(router[0]!, [...router.slice(1), ...args], { name: 'miniupnpd' })
  }

  /** Starts it on the router of a home; resolves when it listens. */
  static async start(home: Home, options: MiniupnpdOptions): Promise<Miniupnpd> {
    if (!home.router) throw new Error('this home has no router')
    const router = ['ip', 'netns', 'exec', home.router]
    await run(router, [
      'iptables',
      '-w',
      '-I',
      'FORWARD',
      '-i',
      'wan',
      '-m',
      'conntrack',
      '--ctstate',
      'DNAT',
      '-j',
      'ACCEPT'
    ])
    await run(router, ['nft', '-f', '-'], options.speaks === 'nat-pmp' ? CHAINS + NO_PCP : CHAINS)
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-miniupnpd-'))
    const daemon = new Miniupnpd(router, folder, options)
    await daemon.#process.says(options.speaks === 'upnp' ? /HTTP listening on port/ : /Listening for NAT-PMP/)
    if (options.held) daemon.#process.kill('SIGSTOP')
    return daemon
  }

  /** Has it answer what has come meanwhile. */
  release(): void {
    this.#process.kill('SIGCONT')
  }

  /** All that it has mapped now. */
  async redirects(): Promise<Redirect[]> {
    const rules = await run(this.#router, ['nft', 'list', 'chain', 'inet', 'filter', 'prerouting_miniupnpd'])
    return [...rules.matchAll(/dport (\d+) dnat ip to (\S+)/g)].map(([, port, target]) => ({
      externalPort: Number(port),
      target: target!
    }))
  }

  /** Whether anybody has asked it for anything. */
  get asked(): boolean {
    return /M-SEARCH from|request received/i.test(this.#process.stdout + this.#process.stderr)
  }

  describe(): string {
    return this.#process.describe()
  }

  /** Takes all mappings from the kernel, as a restart of the router does; it may not know it itself. */
  async forget(): Promise<void> {
    await run(this.#router, ['nft', 'flush', 'chain', 'inet', 'filter', 'prerouting_miniupnpd'])
    await run(this.#router, ['conntrack', '-F'])
  }

  /** Ends it as a power cut does: nobody answers any more. What it mapped stays. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.end()
  }

  async stop(): Promise<void> {
    this.release()
    await this.#process.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function run(prefix: readonly string[], command: readonly string[], input = ''): Promise<string> {
  const [program = '', ...args] = [...prefix, ...command]
  const { code, stdout, stderr } = await runProgram(program, args, { input })
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}
