/** Node's own executables, which single-file programs are made of: from npm packages, by version and hash. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import pinned from './node-binaries.json' with { type: 'json' }
import { tarEntries } from './tar.js'
import type { Target, TargetName } from './targets.js'

/** Downloads stay here until `npm ci` empties it. */
const CACHE = join('node_modules', '.cache', 'hyper-nat-package')

export const nodeVersion = pinned.version

/** The executable for a target. */
export async function nodeBinary({ name, system }: Target): Promise<Buffer> {
  return fileOf(name as TargetName, system === 'windows' ? 'package/bin/node.exe' : 'package/bin/node')
}

/** Node's licence and those of all that is in it; its packages for Windows lack the file. */
export async function nodeLicence(): Promise<string> {
  return (await fileOf('linux-x64', 'package/LICENSE')).toString()
}

async function fileOf(name: TargetName, path: string): Promise<Buffer> {
  const tar = await promisify(gunzip)(await download(name))
  for (const entry of tarEntries(tar)) if (entry.path === path) return entry.bytes
  throw new Error(`${pinned.packages[name].name} has no ${path}`)
}

async function download(target: TargetName): Promise<Buffer> {
  const { name, integrity } = pinned.packages[target]
  const file = `${name}-${pinned.version}.tgz`
  const path = join(CACHE, file)
  const found = await readFile(path).catch(() => null)
  if (found && integrityOf(found) === integrity) return found
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(join(CACHE, 'download-'))
  try {
    const words = ['pack', `${name}@${pinned.version}`, '--silent', '--pack-destination', folder]
    await promisify(execFile)('npm', words)
    const bytes = await readFile(join(folder, file))
    if (integrityOf(bytes) !== integrity) {
      throw new Error(`${file} is not the file that node-binaries.json names: it has ${integrityOf(bytes)}`)
    }
    await rename(join(folder, file), path)
    return bytes
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function integrityOf(bytes: Buffer): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`
}
