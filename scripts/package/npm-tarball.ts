/**
 * The npm package: what is needed to run and no more, with every dependency in the version that was tested.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ArchiveFile } from './tar.js'

interface Manifest {
  version: string
  files: string[]
  repository: string
  scripts?: unknown
  devDependencies?: unknown
  [key: string]: unknown
}

interface Lock {
  packages: Record<string, { version?: string; dev?: boolean; optional?: boolean; [key: string]: unknown }>
}

/** What a built folder has that only those who work on it need. */
const LEFT_OUT = /\.map$/
/** Newer versions of npm pack it only where it is listed. */
const SHRINKWRAP = 'npm-shrinkwrap.json'

const MAP_COMMENT = /^\/\/# sourceMappingURL=.*\n?/gm

/**
 * Makes the tarball.
 * @param documents that README links
 * @param to the folder for it
 * @returns its path
 */
export async function npmTarball(
  root: string,
  staging: string,
  documents: readonly ArchiveFile[],
  to: string
): Promise<string> {
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true })
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest
  for (const path of ['README.md', 'LICENSE', ...manifest.files]) {
    await cp(join(root, path), join(staging, path), { recursive: true, filter: from => !LEFT_OUT.test(from) })
  }
  for (const { path, bytes } of documents) {
    await mkdir(dirname(join(staging, path)), { recursive: true })
    await writeFile(join(staging, path), bytes)
  }
  for (const path of await readdir(join(staging, 'dist'), { recursive: true })) {
    if (!/\.(js|d\.ts)$/.test(path)) continue
    const file = join(staging, 'dist', path)
    await writeFile(file, (await readFile(file, 'utf8')).replace(MAP_COMMENT, ''))
  }
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock
  // Whoever installs it has nothing to build.
  const { scripts: _, devDependencies: __, ...published } = manifest
  const files = [...new Set([...manifest.files, SHRINKWRAP, ...documents.map(({ path }) => path)])]
  await writeJson(join(staging, 'package.json'), {
    ...published,
    files,
    ...addressesOf(published),
    ...pinned(lock)
  })
  await writeJson(join(staging, SHRINKWRAP), withoutDevelopment(lock))
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', to],
    { cwd: staging }
  )
  return join(to, stdout.trim())
}

/** Where people find it, from the one address in package.json. */
export function addressesOf({ repository }: { readonly repository: string }): {
  homepage: string
  bugs: string
} {
  return { homepage: `${repository}#readme`, bugs: `${repository}/issues` }
}

/**
 * Every package that is installed, by its version. npm obeys a shrinkwrap only in what comes from a registry, not in a file that
 * somebody has downloaded; what is a dependency of ours, it installs in that version, and uses for the others.
 */
function pinned({ packages }: Lock): object {
  const dependencies: Record<string, string> = {}
  const optionalDependencies: Record<string, string> = {}
  for (const [path, { version, dev, optional }] of Object.entries(packages)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? []
    if (name === undefined || version === undefined || dev) continue
    const kind = optional ? optionalDependencies : dependencies
    kind[name] = version
  }
  return { dependencies, optionalDependencies }
}

function withoutDevelopment(lock: Lock): Lock {
  const packages = Object.entries(lock.packages).filter(([, { dev }]) => !dev)
  return {
    ...lock,
    packages: Object.fromEntries(
      packages.map(([path, { devDependencies: _, ...entry }]) => [
        path,
        path === '' ? { ...entry, ...pinned(lock) } : entry
      ])
    )
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`)
}
