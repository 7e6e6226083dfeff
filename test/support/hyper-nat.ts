import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClientMapInfo, DaemonEvent } from '../../src/events.js'
import { within } from './deadline.js'
import { Process } from './process.js'

/** The program as the compiler makes it, in the same build as this file. */
export const compiledFile = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'main.js')

type EventName = DaemonEvent['event']
type EventOf<E extends EventName> = Extract<DaemonEvent, { event: E }>

/** The program as npm installs it; `npm run build` makes it, the compiler alone does not. */
export const installedFile = join(dirname(compiledFile), '..', 'bin', 'main.js')

/** The program under test: `npm test` sets this, because what is installed starts in a third of the time. */
export const mainFile = process.env.HYPER_NAT_TEST_INSTALLED ? installedFile : compiledFile

/**
 * How to start it: `program` is in place of the build under test, `name` is for messages, `nodeArgs` come before the program's file, `env` is added, `prefix` is a program
 * to start it with (taskset, ip netns exec).
 */
export interface HyperNatStart {
  program?: readonly string[] | undefined
  name?: string
  cwd?: string
  nodeArgs?: string[]
  prefix?: readonly string[]
  env?: Record<string, string | undefined>
}

/**
 * A hyper-nat process. Tests know it as a user's script does: through the command line, the lines of `--json`, the exit
 * code. Events are kept, so that one which came before it was awaited is found too.
 */
export class HyperNat extends Process {
  readonly events: DaemonEvent[] = []
  /** Lines of stdout that are not JSON objects with an event: there must be none. */
  readonly strayLines: string[] = []
  /** Whether it was started with `--json`. */
  readonly json: boolean
  #watchers = new Set<() => void>()

  constructor(args: readonly string[], options: HyperNatStart = {}) {
    const { name = 'hyper-nat', cwd, nodeArgs = [], prefix = [], env } = options
    const { program = [process.execPath, ...nodeArgs, mainFile] } = options
    const settings = mkdtempSync(join(tmpdir(), 'hyper-nat-settings-'))
    const [command = '', ...rest] = [...prefix, ...program, ...args]
    super(command, rest, {
      name: `${name} ${args.join(' ')}`,
      cwd,
      env: { ...cleanEnvironment(), XDG_CONFIG_HOME: settings, ...env }
    })
    const remove = (): void => rmSync(settings, { recursive: true, force: true })
    this.ended.then(remove, remove)
    this.json = args.includes('--json')
    this.ended.then(
      () => this.#tell(),
      () => this.#tell()
    )
  }

  protected override onLine(line: string): void {
    const parsed = parseEvent(line)
    if (parsed) this.events.push(parsed)
    else if (line.trim()) this.strayLines.push(line)
    this.#tell()
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  /**
   * The first event of this name that fits, of those after the first `from` ones (all, unless told).
   */
  async event<E extends EventName>(
    name: E,
    options: { from?: number; ms?: number; where?: (event: EventOf<E>) => boolean } = {}
  ): Promise<EventOf<E>> {
    const { from = 0, ms = 20_000, where = () => true } = options
    let watcher: () => void = () => {}
    const wanted = new Promise<EventOf<E>>((resolve, reject) => {
      watcher = () => {
        const fits = (e: DaemonEvent): e is EventOf<E> => e.event === name && where(e as EventOf<E>)
        const found = this.events.slice(from).find(fits)
        if (found) resolve(found)
        else if (!this.running) reject(new Error(`no "${name}" from ${this.describe()}`))
      }
      this.#watchers.add(watcher)
      watcher()
    })
    try {
      return await within(ms, wanted, () => `"${name}" from ${this.describe()}`)
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  /** How many events there have been: a place to wait from. */
  get mark(): number {
    return this.events.length
  }

  /** The local port of a client's map, from the `ready` event that names it. */
  async localPort(proto: string, port: number): Promise<number> {
    const fits = (m: ClientMapInfo) => m.proto === proto && m.port === port
    const ready = await this.event('ready', { where: e => e.mode === 'client' && e.maps.some(fits) })
    return (ready.mode === 'client' && ready.maps.find(fits)?.localPort) || 0
  }

  /** Every client map that it has told in `ready`. */
  async clientMaps(): Promise<ClientMapInfo[]> {
    await this.event('ready', { where: e => e.mode === 'client' })
    return this.events.flatMap(e => (e.event === 'ready' && e.mode === 'client' ? e.maps : []))
  }
}

/** The tester's own settings must not reach the program, nor its control socket the tester's commands. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('HYPER_NAT_'))
  return { ...Object.fromEntries(own), HYPER_NAT_CONTROL: 'off' }
}

function parseEvent(line: string): DaemonEvent | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return value && typeof value === 'object' && 'event' in value ? (value as DaemonEvent) : undefined
  } catch {
    return undefined
  }
}

/** A folder of its own with an options.json; `remove` when done. */
export function writeOptions(options: unknown): { file: string; folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  const file = join(folder, 'options.json')
  writeFileSync(file, typeof options === 'string' ? options : JSON.stringify(options, null, 2), {
    mode: 0o600
  })
  return { file, folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
