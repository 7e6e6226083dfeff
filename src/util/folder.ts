/** Creates folders, parents included. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '../errors.js'

/**
 * Creates a folder and its missing parents. Not `mkdir` with `recursive`: in Node.js that never returns where the parent exists but
 * accepts no entries, as in /proc.
 * @param mode permission bits of new folders, before the umask
 * @returns whether it was created; an existing folder stays as it is
 * @throws the system's error
 */
export async function makeFolder(path: string, mode = 0o777): Promise<boolean> {
  try {
    return await makeOne(path, mode)
  } catch (err) {
    if (codeOf(err) !== 'ENOENT' || dirname(path) === path) throw err
  }
  await makeFolder(dirname(path), mode)
  return makeOne(path, mode)
}

async function makeOne(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    return true
  } catch (err) {
    const found = await stat(path).catch(() => null)
    if (found?.isDirectory()) return false
    throw err
  }
}
