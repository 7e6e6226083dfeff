/** The documents that a reader of README can follow its links to. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { ArchiveFile } from './tar.js'

const LINK = /\]\(([^)#\s]+)[^)]*\)/g

/** Every file that a document of the repository links, and those link in turn; without the document itself. */
export function linkedDocuments(root: string, from: string): ArchiveFile[] {
  const found = new Map<string, Buffer>()
  const follow = (path: string): void => {
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, target = ''] of text.matchAll(LINK)) {
      if (/^[a-z]+:/.test(target)) continue
      const linked = posix.join(posix.dirname(path), target)
      const file = join(root, linked)
      if (found.has(linked) || linked === from || !existsSync(file) || !statSync(file).isFile()) continue
      found.set(linked, readFileSync(file))
      if (linked.endsWith('.md')) follow(linked)
    }
  }
  follow(from)
  return [...found].map(([path, bytes]) => ({ path, bytes })).sort((a, b) => (a.path < b.path ? -1 : 1))
}
