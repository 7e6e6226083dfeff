/**
 * One process at a time changes a file. The lock is the system's, on a file of its own beside it: the file itself is replaced,
 * and a lock would stay with what was replaced. It ends with its process, so that none is ever left behind.
 */

import { type FileHandle, open, realpath, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { codeOf, HyperNatError } from '../errors.js'
import { LOCK_MS, LOCK_RETRY_MS } from '../limits.js'

/** What Windows says of a file that is being removed. */
const BEING_REMOVED: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EBUSY'])

/**
 * Does `work` while nobody else does so for the same file.
 * @param path the file to change, which need not exist; its folder must
 * @throws HyperNatError `OPTIONS_BUSY` when others hold it for more than 5 seconds; the system's error when the folder may
 * not be written to
 */
export async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  // Here, as few ever need it, and it is native code.
  const { default: extensions } = await import('fs-native-extensions')
  const name = `${await realPath(path)}.lock`
  const end = performance.now() + LOCK_MS
  for (;;) {
    const handle = await openLock(name)
    try {
      if (handle && extensions.tryLock(handle.fd) && (await isAt(handle, name))) {
        try {
          return await work()
        } finally {
          // While it is still locked: whoever opened it meanwhile sees that it is gone, and makes a new one.
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
    return await open(name, 'a', 0o600)
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
