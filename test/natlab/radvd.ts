/** Router advertisements: Debian's radvd in the namespace of a home's router, which home routers have, too. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Process } from '../support/process.js'
import type { Home } from './lab.js'

/** A network that a router tells of. */
export interface Advertised {
  /** `2a00:11:3::/64` */
  readonly network: string
  /** One that computers keep, but no longer use for new connections: the provider has given another. */
  readonly deprecated?: boolean
}

const DAY_S = 86_400

export class Radvd {
  readonly #folder: string
  readonly #process: Process

  private constructor(folder: string, process: Process) {
    this.#folder = folder
    this.#process = process
  }

  static start({ router }: Home, networks: readonly Advertised[]): Radvd {
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-radvd-'))
    const file = fileIn(folder)
    writeFileSync(file, configuration(networks))
    const args = [
      'netns',
      'exec',
      router!,
      'radvd',
      '-n',
      '-m',
      'stderr',
      '-C',
      file,
      '-p',
      join(folder, 'pid')
    ]
    return new Radvd(folder, new Process('ip', args))
  }

  /** Advertises these networks from now on. */
  advertise(networks: readonly Advertised[]): void {
    writeFileSync(fileIn(this.#folder), configuration(networks))
    this.#process.kill('SIGHUP')
  }

  describe(): string {
    return this.#process.describe()
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function fileIn(folder: string): string {
  return join(folder, 'radvd.conf')
}

function configuration(networks: readonly Advertised[]): string {
  const prefixes = networks.map(
    ({ network, deprecated }) =>
      `prefix ${network} { AdvValidLifetime ${DAY_S}; AdvPreferredLifetime ${deprecated ? 0 : DAY_S / 2}; };`
  )
  return `interface lan { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; ${prefixes.join(' ')} };\n`
}
