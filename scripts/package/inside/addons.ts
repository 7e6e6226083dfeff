/**
 * Native addons of a single-file program. The operating system loads libraries from files only, so each addon is written once to a
 * folder of the user's cache and loaded from there. Whatever is in that folder runs as this user: a file is loaded only when its
 * bytes are those in the executable and nobody else can write where it is.
 *
 *     <cache>/hyper-nat/addons-<hash>/<name>.node      the cache
 *     <tmp>/hyper-nat-XXXXXX/<name>.node               where there is none, or it is mounted noexec
 */
import {
  type Dirent,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/** Folders of other versions are removed when no program has started from them for so long, in milliseconds. */
const UNUSED_MS = 30 * 24 * 60 * 60 * 1000

/** A folder's time is renewed when it is older than this, in milliseconds. */
const RENEW_MS = 24 * 60 * 60 * 1000

const FOLDER = /^addons-[0-9a-f]{16}$/

/** Permission bits that let others change what is in a folder. */
const OTHERS_WRITE = 0o022
const WORLD_WRITE = 0o002
const STICKY = 0o1000

/** What the place depends on. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly tmpdir: string
  /** The user's number; -1 where there are none. */
  readonly uid: number
}

export function thisMachine(): Machine {
  const { platform, env } = process
  return { platform, env, home: homeOf(), tmpdir: tmpdir(), uid: process.getuid?.() ?? -1 }
}

function homeOf(): string {
  try {
    return homedir()
  } catch {
    // A user without a name and without HOME.
    return ''
  }
}

export interface AddonParts {
  /** Names all addons of this version: 16 hexadecimal digits. */
  readonly hash: string
  /** The bytes of an addon. */
  read(name: string): Buffer
  /** Loads a library from a file. */
  open(path: string): unknown
  readonly machine: Machine
  /** Milliseconds since 1970. */
  now(): number
}

export class Addons {
  readonly #parts: AddonParts
  readonly #loaded = new Map<string, unknown>()
  /** The folder of this version; null where none can be had. */
  #cache: string | null | undefined

  constructor(parts: AddonParts) {
    this.#parts = parts
  }

  /** @throws the system's error when the library cannot be loaded from anywhere */
  load(name: string): unknown {
    if (!this.#loaded.has(name)) this.#loaded.set(name, this.#open(name))
    return this.#loaded.get(name)
  }

  #open(name: string): unknown {
    const bytes = this.#parts.read(name)
    if (this.#cache === undefined) this.#cache = this.#findCache()
    if (this.#cache !== null) {
      const path = join(this.#cache, `${name}.node`)
      try {
        keep(path, bytes)
        return this.#parts.open(path)
      } catch {
        // A full disk, noexec, a virus scanner: it is loaded from elsewhere.
      }
    }
    return this.#openOnce(name, bytes)
  }

  /** Loads an addon from a folder that is made for it. */
  #openOnce(name: string, bytes: Buffer): unknown {
    const { env, tmpdir, platform } = this.#parts.machine
    const places = [tmpdir, ...(platform === 'win32' ? [] : [env.XDG_RUNTIME_DIR, '/var/tmp', '/dev/shm'])]
    let last: unknown
    for (const place of places) {
      if (!absolute(place)) continue
      let folder: string | undefined
      try {
        folder = mkdtempSync(join(place!, 'hyper-nat-'))
        const path = join(folder, `${name}.node`)
        writeFileSync(path, bytes, { mode: 0o700 })
        return this.#parts.open(path)
      } catch (err) {
        last = err
      } finally {
        if (folder !== undefined) remove(folder)
      }
    }
    throw last
  }

  /** The folder of this version, made if there is none; null where none can be had. */
  #findCache(): string | null {
    const { hash, machine, now } = this.#parts
    const base = cacheOf(machine)
    if (base === null) return null
    const folder = join(base, `addons-${hash}`)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      if (!isSafe(folder, machine)) return null
      if (now() - statSync(folder).mtimeMs > RENEW_MS) utimesSync(folder, now() / 1000, now() / 1000)
      removeUnused(base, folder, now())
      return folder
    } catch {
      return null
    }
  }
}

/** The folder for caches of this program; null where the user has none. */
export function cacheOf({ platform, env, home }: Machine): string | null {
  const inHome = (...names: string[]): string | undefined => home && join(home, ...names)
  if (platform === 'win32') {
    const local = absolute(env.LOCALAPPDATA) ?? absolute(inHome('AppData', 'Local'))
    return local ? join(local, 'hyper-nat', 'Cache') : null
  }
  const caches =
    platform === 'darwin'
      ? absolute(inHome('Library', 'Caches'))
      : (absolute(env.XDG_CACHE_HOME) ?? absolute(inHome('.cache')))
  return caches ? join(caches, 'hyper-nat') : null
}

function absolute(path: string | undefined): string | undefined {
  return path && isAbsolute(path) ? path : undefined
}

/**
 * Whether nobody but this user and root can put something else there. On Windows the folder inherits the access list of the user's
 * profile, which says so.
 */
export function isSafe(folder: string, { platform, uid }: Machine): boolean {
  if (platform === 'win32') return lstatSync(folder).isDirectory()
  const own = lstatSync(folder)
  if (!own.isDirectory() || own.uid !== uid || (own.mode & OTHERS_WRITE) !== 0) return false
  // Whoever can rename a folder above can put another one in its place.
  for (const path of foldersAbove(realpathSync(folder))) {
    const { uid: owner, mode } = statSync(path)
    if (owner !== uid && owner !== 0) return false
    if ((mode & WORLD_WRITE) !== 0 && (mode & STICKY) === 0) return false
  }
  return true
}

function foldersAbove(path: string): string[] {
  const above = dirname(path)
  return above === path ? [] : [above, ...foldersAbove(above)]
}

/** Has a file with these bytes. Several processes may do so at once: a file appears under its name when it is whole. */
function keep(path: string, bytes: Buffer): void {
  if (holds(path, bytes)) return
  const made = mkdtempSync(join(dirname(path), '.new-'))
  try {
    const file = join(made, 'addon')
    writeFileSync(file, bytes, { mode: 0o700 })
    renameSync(file, path)
  } catch (err) {
    // Windows replaces no library that is in use: another process has just written and loaded it.
    if (!holds(path, bytes)) throw err
  } finally {
    remove(made)
  }
}

function holds(path: string, bytes: Buffer): boolean {
  try {
    const found = lstatSync(path)
    return found.isFile() && found.size === bytes.length && readFileSync(path).equals(bytes)
  } catch {
    return false
  }
}

/**
 * Removes folders of other versions. A program that still runs from one has its libraries mapped: elsewhere than on Windows they stay
 * until it ends, and Windows refuses to rename the folder.
 */
function removeUnused(base: string, current: string, now: number): void {
  for (const entry of entriesOf(base)) {
    const path = join(base, entry.name)
    const isLeft = entry.name.startsWith('.old-')
    if (path === current || !entry.isDirectory() || !(isLeft || FOLDER.test(entry.name))) continue
    try {
      if (isLeft) remove(path)
      if (isLeft || now - statSync(path).mtimeMs < UNUSED_MS) continue
      const aside = join(base, `.old-${entry.name}-${process.pid}`)
      renameSync(path, aside)
      remove(aside)
    } catch {
      // In use, or another process removes it.
    }
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Removes a folder; one that Windows holds on to is left to the system's own tidying. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {
    // A library in there is loaded.
  }
}
