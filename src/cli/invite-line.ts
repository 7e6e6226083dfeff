import { resolve } from 'node:path'
import { DEFAULT_FILE } from './file.js'

/**
 * The command that makes a ticket for a guest, as it is to be typed here.
 * @param file the options file
 * @param server the public key of the server, where the file has several
 */
export function inviteLine(file: string | undefined, server?: string): string {
  const isDefault = file === undefined || resolve(file) === resolve(DEFAULT_FILE)
  const where = isDefault ? '' : ` -c ${/\s/.test(file) ? `"${file}"` : file}`
  return `hyper-nat invite NAME${where}${server === undefined ? '' : ` --server ${server.slice(0, 8)}`}`
}
