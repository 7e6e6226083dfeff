import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyperNat, writeOptions } from '../support/hyper-nat.js'
import { Process } from '../support/process.js'
import { newSecret } from '../support/stage.js'
import type { Home } from './lab.js'
import { lab } from './side.js'

/** The lab's machine may be busy with other things. */
export const WITHIN_MS = 25_000

const GAME = join(dirname(fileURLToPath(import.meta.url)), 'game.js')

interface Surroundings {
  readonly env?: Record<string, string>
  /** Where it is started, which is its user's home, too; an empty one if left out. */
  readonly folder?: string
}

/** Programs in the lab, which end with their test. */
export class Programs {
  readonly #running: Process[] = []
  readonly #undo: (() => void)[] = []

  /** Any program, its path first; `env` is added. */
  run(home: Home, args: readonly string[], { env = {}, folder = this.folder() }: Surroundings = {}): Process {
    const [command = '', ...rest] = [...home.prefix, ...args]
    const one = new Process(command, rest, {
      name: args.join(' '),
      env: { ...process.env, ...livingIn(folder), ...env },
      cwd: folder
    })
    this.#running.push(one)
    return one
  }

  /** What a program says on stdout that runs to its end. */
  async said(home: Home, args: readonly string[], surroundings: Surroundings = {}): Promise<string> {
    return (await this.run(home, args, surroundings).end()).stdout
  }

  /** A stand-in for a game. */
  async game(home: Home, ...args: string[]): Promise<Process> {
    const one = this.run(home, [process.execPath, GAME, ...args])
    await one.says(/^open$/m, WITHIN_MS)
    return one
  }

  /** An empty folder. */
  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-lab-'))
    this.#undo.push(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  daemon(home: Home, args: readonly string[]): HyperNat {
    const one = new HyperNat([...args, '--json', '--bootstrap', lab.bootstrap], {
      prefix: home.prefix,
      env: livingIn(this.folder())
    })
    this.#running.push(one)
    return one
  }

  /** A host of games; resolves with its ticket. */
  async host(home: Home, games: readonly object[]): Promise<string> {
    const secret = newSecret()
    const written = writeOptions({ schema: games.map(game => ({ mode: 'server', secret, ...game })) })
    this.#undo.push(written.remove)
    return ticketOf(this.daemon(home, ['-c', written.file]))
  }

  async guest(home: Home, ticket: string, ...flags: string[]): Promise<HyperNat> {
    const one = this.daemon(home, ['join', ticket, ...flags])
    await one.event('connected')
    return one
  }

  /** What all have said, for a failure. */
  describe(): string {
    return this.#running.map(one => one.describe()).join('\n\n')
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map(one => one.stop()))
    for (const undo of this.#undo) undo()
  }
}

/** What a program keeps for its user is not for the tester's own folders. */
function livingIn(folder: string): Record<string, string> {
  return { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
}

/** What a host's daemon tells for guests. */
export async function ticketOf(host: HyperNat): Promise<string> {
  const ready = await host.event('ready')
  return (ready.mode === 'server' && ready.ticket) || ''
}

/** Runs the body of a test, and then ends what it started. */
export async function withPrograms(body: (programs: Programs) => Promise<void>): Promise<void> {
  const programs = new Programs()
  try {
    await body(programs)
  } catch (err) {
    console.error(programs.describe())
    throw err
  } finally {
    await programs.stop()
  }
}
