/**
 * `npm run package`: everything that a release is, into packages/. On Linux, from this clone and the npm registry alone.
 *
 *     npm run package -- --only linux-x64,deb,npm
 *
 * With `--quick` the installer is half again as large, and made in a tenth of the time: for tests.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { bundle, licencesOf } from './bundle.js'
import { deb } from './deb.js'
import { linkedDocuments } from './documents.js'
import { nodeLicence, nodeVersion } from './node-binaries.js'
import { addressesOf, npmTarball } from './npm-tarball.js'
import { program } from './programs.js'
import { recipes } from './recipes.js'
import { type ArchiveFile, tar } from './tar.js'
import { programName, type Target, type TargetName, targets } from './targets.js'
import { zip } from './zip.js'

/** What can be built beside the programs: out of those. */
const EXTRAS = ['deb', 'installer', 'npm'] as const

const OUT = 'packages'

/** As long as nobody says otherwise, two builds of one commit are the same. */
const NO_TIME = Date.UTC(2000, 0, 1) / 1000

interface Manifest {
  readonly version: string
  readonly description: string
  readonly author: string
  readonly repository: string
}

class Release {
  readonly #root = resolve('.')
  readonly #out = join(this.#root, OUT)
  readonly #work = join(this.#out, 'work')
  readonly #wanted: ReadonlySet<string>
  readonly #quick: boolean
  readonly #manifest: Manifest
  readonly #seconds: number
  readonly #documents: readonly ArchiveFile[]

  constructor(wanted: ReadonlySet<string>, quick: boolean, manifest: Manifest, seconds: number) {
    this.#wanted = wanted
    this.#quick = quick
    this.#manifest = manifest
    this.#seconds = seconds
    this.#documents = linkedDocuments(this.#root, 'README.md')
  }

  async build(): Promise<void> {
    await rm(this.#out, { recursive: true, force: true })
    await mkdir(this.#work, { recursive: true })
    const tasks: Promise<void>[] = []
    if (this.#wanted.has('npm')) tasks.push(this.#npm())
    const programs = targets.filter(target => this.#isNeeded(target))
    if (programs.length > 0) tasks.push(this.#programs(programs))
    await Promise.all(tasks)
    await recipes(this.#root, this.#out, this.#manifest)
    await this.#sums()
    await rm(this.#work, { recursive: true, force: true })
  }

  /** Whether a program is asked for, or something that it is in. */
  #isNeeded(target: Target): boolean {
    return this.#wanted.has(target.name) || this.#hasDeb(target) || this.#hasInstaller(target)
  }

  #hasDeb(target: Target): boolean {
    return target.debian !== undefined && this.#hasExtra('deb', target)
  }

  #hasInstaller(target: Target): boolean {
    return target.system === 'windows' && this.#hasExtra('installer', target)
  }

  /** Those made of programs are for the programs named beside them, or for all. */
  #hasExtra(extra: (typeof EXTRAS)[number], { name, system }: Target): boolean {
    const named = targets.some(other => other.system === system && this.#wanted.has(other.name))
    return this.#wanted.has(extra) && (this.#wanted.has(name) || !named)
  }

  async #npm(): Promise<void> {
    const path = await npmTarball(this.#root, join(this.#work, 'npm'), this.#documents, this.#out)
    await this.#done(path)
  }

  async #programs(wanted: readonly Target[]): Promise<void> {
    const made = await bundle(this.#root)
    const licences = await this.#licences(licencesOf(this.#root, made.packages))
    const ingredients = { root: this.#root, version: this.#manifest.version, bundle: made, work: this.#work }
    // One after the other: what takes time then, packing, uses other cores by itself, and each takes a quarter of a gigabyte.
    const packing: Promise<void>[] = []
    for (const target of wanted) {
      const bytes = await program(target, ingredients)
      await Promise.all(packing.splice(0))
      packing.push(...this.#packages(target, bytes, licences))
    }
    await Promise.all(packing)
  }

  /** All that a program is given away in. */
  #packages(target: Target, bytes: Buffer, licences: string): Promise<void>[] {
    const { debian, name } = target
    const started: Promise<void>[] = []
    if (this.#wanted.has(name)) started.push(this.#archive(target, bytes, licences))
    if (debian && this.#hasDeb(target)) started.push(this.#deb(debian, bytes, licences))
    if (this.#hasInstaller(target)) started.push(this.#installer(target, bytes, licences))
    return started
  }

  /** The program by itself, and with all that belongs to it. */
  async #archive(target: Target, bytes: Buffer, licences: string): Promise<void> {
    const { system, name } = target
    const stem = `hyper-nat-${this.#manifest.version}-${name}`
    const companions = await this.#companions(system === 'windows', licences)
    const files = [
      { path: programName(target), bytes, mode: 0o755 },
      ...companions,
      ...this.#documents.filter(({ path }) => !companions.some(own => own.path === path))
    ]
    const inFolder = files.map(file => ({ ...file, path: `${stem}/${file.path}` }))
    if (system === 'windows') {
      await this.#write(`${stem}.exe`, bytes)
      await this.#write(`${stem}.zip`, await zip(inFolder, this.#seconds))
      return
    }
    await this.#write(stem, bytes, 0o755)
    const packed = await promisify(gzip)(tar(inFolder, this.#seconds), {
      level: constants.Z_DEFAULT_COMPRESSION
    })
    await this.#write(`${stem}.tar.gz`, packed)
  }

  async #companions(windows: boolean, licences: string): Promise<ArchiveFile[]> {
    return [
      { path: windows ? 'LICENSE.txt' : 'LICENSE', bytes: await this.#file('LICENSE') },
      { path: 'LICENSES.txt', bytes: Buffer.from(licences) },
      { path: 'README.md', bytes: await this.#file('README.md') },
      { path: 'options.example.json', bytes: await this.#file('options.example.json') }
    ]
  }

  async #deb(architecture: string, bytes: Buffer, licences: string): Promise<void> {
    const { version, description, author } = this.#manifest
    const made = await deb({
      version,
      architecture,
      description,
      homepage: addressesOf(this.#manifest).homepage,
      maintainer: author,
      program: bytes,
      manual: await this.#file('dist/man/hyper-nat.1'),
      licences: `${await this.#file('LICENSE')}\n${licences}`,
      changelog: await this.#file('CHANGELOG.md'),
      documents: [{ path: 'README.md', bytes: await this.#file('README.md') }, ...this.#documents].filter(
        ({ path }) => path !== 'CHANGELOG.md' && path !== 'LICENSE'
      ),
      main: join(this.#root, 'dist', 'src', 'main.js'),
      seconds: this.#seconds
    })
    await this.#write(`hyper-nat_${version}_${architecture}.deb`, made)
  }

  async #installer({ name }: Target, bytes: Buffer, licences: string): Promise<void> {
    const { version } = this.#manifest
    const folder = join(this.#work, `installer-${name}`)
    await mkdir(folder)
    const companions = await this.#companions(true, licences)
    for (const file of companions) await writeFile(join(folder, file.path), file.bytes)
    const exe = join(folder, 'hyper-nat.exe')
    await writeFile(exe, bytes)
    const out = join(this.#out, `hyper-nat-${version}-${name}-setup.exe`)
    const defined = {
      // Windows wants three numbers.
      VERSION: version.split('-')[0]!,
      PROGRAM: exe,
      FOLDER: folder,
      ICON: join(this.#root, 'scripts', 'package', 'icon.ico'),
      OUT: out,
      // Windows 10 on ARM emulates programs of 32 bits only.
      TARGET: name === 'win-x64' ? 'amd64-unicode' : 'x86-unicode',
      COMPRESSION: this.#quick ? 'zlib' : 'lzma'
    }
    const words = Object.entries(defined).map(([key, value]) => `-D${key}=${value}`)
    await promisify(execFile)(
      'makensis',
      ['-V2', '-NOCD', ...words, join('scripts', 'package', 'installer.nsi')],
      { env: { ...process.env, SOURCE_DATE_EPOCH: String(this.#seconds) } }
    )
    await this.#done(out)
  }

  async #licences(packages: string): Promise<string> {
    const page = await this.#file('dist/src/ui/page/LICENSES.txt')
    const libsodium = await this.#file('scripts/package/libsodium.txt')
    const node = await nodeLicence()
    const line = `\n${'='.repeat(72)}\n\n`
    return [
      'hyper-nat has these in it, under these terms.\n',
      packages,
      page.toString(),
      libsodium.toString(),
      `Node.js ${nodeVersion}\n\n${node}`
    ].join(line)
  }

  #file(path: string): Promise<Buffer> {
    return readFile(join(this.#root, path))
  }

  async #write(name: string, bytes: Buffer, mode = 0o644): Promise<void> {
    const path = join(this.#out, name)
    await writeFile(path, bytes, { mode })
    await this.#done(path)
  }

  async #done(path: string): Promise<void> {
    const { length } = await readFile(path)
    console.log(`${(length / 1e6).toFixed(1).padStart(7)} MB  ${path.slice(this.#root.length + 1)}`)
  }

  async #sums(): Promise<void> {
    const files = await readdir(this.#out, { withFileTypes: true })
    const names = files
      .filter(entry => entry.isFile())
      .map(({ name }) => name)
      .sort()
    const lines = names.map(async name => {
      const hash = createHash('sha256').update(await readFile(join(this.#out, name)))
      return `${hash.digest('hex')}  ${name}\n`
    })
    await writeFile(join(this.#out, 'SHA256SUMS'), (await Promise.all(lines)).join(''))
  }
}

/** The time of every file: as the build says, or of the commit. */
async function timeOfFiles(): Promise<number> {
  const said = process.env.SOURCE_DATE_EPOCH
  if (said !== undefined) return Number(said)
  const git = await promisify(execFile)('git', ['log', '-1', '--format=%ct']).catch(() => null)
  return git ? Number(git.stdout) : NO_TIME
}

const everything: readonly (TargetName | (typeof EXTRAS)[number])[] = [
  ...targets.map(({ name }) => name),
  ...EXTRAS
]
const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, quick: { type: 'boolean', default: false } }
})
const wanted = values.only?.flatMap(text => text.split(',')) ?? everything
const unknown = wanted.filter(name => !everything.some(one => one === name))
if (unknown.length > 0) {
  console.error(`No such package: ${unknown.join(', ')}. There are: ${everything.join(', ')}.`)
  process.exit(2)
}
const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Manifest
await new Release(new Set(wanted), values.quick, manifest, await timeOfFiles()).build()
