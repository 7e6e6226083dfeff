/**
 * One process at a time changes a file. The lock is the system's, on a file of its own beside it: the file itself is replaced,
 * and a lock would stay with what was replaced. It ends with its process, so that none is ever left behind.
 */

import { type FileHandle, open, readFile, realpath, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { codeOf, HyperNatError } from '../errors.js'
import { LOCK_MS, LOCK_RETRY_MS } from '../limits.js'

/** What Windows says of a file that is being removed. */
const BEING_REMOVED: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EBUSY'])

/** A lock that is held. */
export interface Lock {
  /** Remembers a temporary file beside the locked one: when this process is killed, the next one to lock removes it. */
  readonly note: (temporary: string) => Promise<void>
}

/**
 * Does `work` while nobody else does so for the same file.
 * @param path the file to change, which need not exist; its folder must
 * @throws HyperNatError `OPTIONS_BUSY` when others hold it for more than 5 seconds; the system's error when the folder may
 * not be written to
 */
export async function locked<T>(path: string, work: (lock: Lock) => Promise<T>): Promise<T> {
  // Here, as few ever need it, and it is native code.
  const { default: extensions } = await import('fs-native-extensions')
  const name = `${await realPath(path)}.lock`
  const end = performance.now() + LOCK_MS
  for (;;) {
    const handle = await openLock(name)
    try {
      if (handle && extensions.tryLock(handle.fd) && (await isAt(handle, name))) {
        try {
          await removeNoted(name)
          const note = (temporary: string) => handle.appendFile(`${basename(temporary)}\n`)
          return await work({ note })
        } finally {
          // While it is still locked: a process that has opened it meanwhile sees that it is gone, and makes a new one.
          await unlink(name).catch(() => {})
        }
      }
    } finally {
      await handle?.close()
    }
    if (performance.now() > end) {
      throw new HyperNatError('OPTIONS_BUSY', `another hyper-nat is changing ${path}: try again in a moment`)
    }
    await setTimeout(LOCK_RETRY_MS)
  }
}

/**
 * Removes what a process that was killed while it wrote has left, which may hold a secret.
 * @throws HyperNatError, the system's error as {@link locked}
 */
export async function removeLeftovers(path: string): Promise<void> {
  try {
    await stat(`${await realPath(path)}.lock`)
  } catch {
    // None was killed.
    return
  }
  await locked(path, async () => {})
}

/** @param name of the lock file, which has the names of temporary files */
async function removeNoted(name: string): Promise<void> {
  const file = name.replace(/\.lock$/, '')
  for (const noted of (await readFile(name, 'utf8')).split('\n')) {
    const isTemporary =
      noted.startsWith(`${basename(file)}.`) && /^\d+$/.test(noted.slice(basename(file).length + 1))
    if (isTemporary) await unlink(join(dirname(file), noted)).catch(() => {})
  }
}

/** One lock for a file, whatever links lead to it. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    return join(await realpath(dirname(path)), basename(path))
  }
}

async function openLock(name: string): Promise<FileHandle | undefined> {
  try {
    return await open(name, 'a+', 0o600)
  } catch (err) {
    if (process.platform === 'win32' && BEING_REMOVED.has(codeOf(err))) return undefined
    throw err
  }
}

/** False if the file was removed since it was opened. */
async function isAt(handle: FileHandle, name: string): Promise<boolean> {
  try {
    const [ours, there] = [await handle.stat({ bigint: true }), await stat(name, { bigint: true })]
    return ours.ino === there.ino && ours.dev === there.dev
  } catch {
    return false
  }
}
