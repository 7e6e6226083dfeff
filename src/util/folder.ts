/** Folders that are made when something is to be kept in them. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '../errors.js'

/**
 * Makes a folder, and those above it, where they are missing. `mkdir` of Node.js does that, too, but never ends where the folder above is
 * there and takes none, as in /proc.
 * @param mode permission bits of those that are made, of which the mask of this process may take some away
 * @returns whether it was made; one that is there stays as it is
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
