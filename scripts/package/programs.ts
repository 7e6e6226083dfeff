/** Single-file programs: Node's executable for a system with the bundle and what it reads inside. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Bundle, prebuild, shippedFiles } from './bundle.js'
import { withNote } from './elf.js'
import { ADDONS_ASSET, ADDONS_HASH, INDEX } from './inside/assets.js'
import { signed } from './macho.js'
import { nodeBinary } from './node-binaries.js'
import { type Target, targets } from './targets.js'
import { windowsProgram } from './windows-program.js'

/** Node's executable has this text once, with a 0 behind it where there is no program inside. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
const BLOB = 'NODE_SEA_BLOB'

const ICON = join('scripts', 'package', 'icon.ico')

/** What the signature of macOS calls it. */
const IDENTIFIER = 'hyper-nat'

interface Postject {
  inject(
    file: string,
    name: string,
    blob: Buffer,
    options: { sentinelFuse: string; machoSegmentName: string }
  ): Promise<void>
}
const { inject } = createRequire(import.meta.url)('postject') as Postject

/** What every program is made of. */
export interface Ingredients {
  readonly root: string
  readonly version: string
  readonly bundle: Bundle
  /** A folder for what is needed on the way. */
  readonly work: string
}

/** The program for a target, as bytes. */
export async function program(target: Target, ingredients: Ingredients): Promise<Buffer> {
  const { root, version, work } = ingredients
  const folder = join(work, target.name)
  await mkdir(folder, { recursive: true })
  const blob = await blobFor(target, ingredients, folder)
  const node = await nodeBinary(target)
  if (target.system === 'windows') {
    const icon = await readFile(join(root, ICON))
    return windowsProgram({ node: armed(node), blob, icon, version })
  }
  if (target.system === 'linux') return withNote(armed(node), BLOB, blob)
  const file = join(folder, 'hyper-nat')
  await writeFile(file, node, { mode: 0o755 })
  await inject(file, BLOB, blob, { sentinelFuse: FUSE, machoSegmentName: 'NODE_SEA' })
  return signed(await readFile(file), IDENTIFIER)
}

/** The executable that looks for a program inside itself. */
function armed(node: Buffer): Buffer {
  const text = Buffer.from(`${FUSE}:0`)
  const at = node.indexOf(text)
  if (at === -1 || node.indexOf(text, at + 1) !== -1) throw new Error('Node does not have its fuse once.')
  const result = Buffer.from(node)
  result.write('1', at + text.length - 1)
  return result
}

/** What Node finds inside itself: the script, and its assets. */
async function blobFor(target: Target, { root, bundle }: Ingredients, folder: string): Promise<Buffer> {
  const libraries = bundle.addons.map(addon => {
    const bytes = prebuild(root, addon, target.prebuilds)
    return { asset: `${ADDONS_ASSET}/${addon.name}.node`, bytes }
  })
  const hash = createHash('sha256')
  for (const { asset, bytes } of libraries) hash.update(`${asset} ${bytes.length}\n`).update(bytes)
  const shipped = shippedFiles(root)
  const made = new Map<string, Buffer>([
    [ADDONS_HASH, Buffer.from(hash.digest('hex').slice(0, 16))],
    [INDEX, Buffer.from(JSON.stringify([...shipped.keys()]))],
    ...libraries.map(({ asset, bytes }) => [asset, bytes] as const)
  ])
  const assets: Record<string, string> = Object.fromEntries(shipped)
  for (const [asset, bytes] of made) {
    const file = asset.replaceAll('/', '+')
    await writeFile(join(folder, file), bytes)
    assets[asset] = file
  }
  await writeFile(join(folder, 'program.cjs'), bundle.script)
  const config = { main: 'program.cjs', output: 'program.blob', disableExperimentalSEAWarning: true, assets }
  await writeFile(join(folder, 'sea.json'), JSON.stringify(config))
  // Its form is that of this version of Node; paths are relative, as the script's is kept in there.
  await promisify(execFile)(await nodeHere(folder), ['--experimental-sea-config', 'sea.json'], {
    cwd: folder
  })
  return readFile(join(folder, 'program.blob'))
}

let here: Promise<string> | undefined

/** A Node of the version that programs are made of, for this machine. */
function nodeHere(folder: string): Promise<string> {
  here ??= (async () => {
    const target = targets.find(({ prebuilds }) => prebuilds === `${process.platform}-${process.arch}`)
    if (!target) throw new Error(`Programs cannot be built on ${process.platform} ${process.arch}.`)
    const path = join(folder, '..', target.system === 'windows' ? 'node.exe' : 'node')
    await writeFile(path, await nodeBinary(target))
    await chmod(path, 0o755)
    return path
  })()
  return here
}
