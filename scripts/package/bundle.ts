/** One script out of the build and its packages, and the files that it needs beside it. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'

const BUILD = 'dist'
const INSIDE = join(BUILD, 'scripts', 'package', 'inside')

/** Files that are not code, in the folders that the program reads them from. */
const SHIPPED = ['package.json', 'config/games', 'dist/src/ui/page']
const PAGE_FILES = /^(main\.(js|css)|index\.html|icon\.svg)$/

/** How a package loads its own addon with `require-addon`. */
const LOADS_ADDON = /^module\.exports = require\.addon\('\.', __filename\)/m

/** A native addon that the script loads. */
export interface Addon {
  /** Of its package, with the version: two versions of one package are two addons. */
  readonly name: string
  /** The package's folder. */
  readonly folder: string
}

export interface Bundle {
  readonly script: Buffer
  readonly addons: readonly Addon[]
  /** Folders of all packages that are inside. */
  readonly packages: readonly string[]
}

/** @param root of this repository, absolute, built */
export async function bundle(root: string): Promise<Bundle> {
  const addons = new Map<string, Addon>()
  const result = await build({
    absWorkingDir: root,
    entryPoints: [join(INSIDE, 'start.js')],
    outfile: 'program.cjs',
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href" },
    metafile: true,
    logLevel: 'warning',
    plugins: [shippedInside(root), nativeAddons(root, addons), moduleBuilds()]
  })
  const script = result.outputFiles[0]!.text
  if (/\brequire\.addon\(['"]/.test(script))
    throw new Error('A native addon is loaded in a way unknown here.')
  // Modules made by a plugin carry its name and an absolute path.
  const files = Object.keys(result.metafile.inputs).filter(file => !file.includes(':'))
  const packages = [...new Set(files.flatMap(packageOf))].sort()
  return {
    script: Buffer.from(script),
    addons: [...addons.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    packages
  }
}

/** The module that reads shipped files is another one inside a program. */
function shippedInside(root: string): Plugin {
  const outside = join(root, BUILD, 'src', 'shipped.js')
  return {
    name: 'shipped-inside',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]shipped\.js$/ }, ({ path }) =>
        path === outside
          ? {
              contents: `export * from ${JSON.stringify(join(root, INSIDE, 'shipped.js'))}`,
              resolveDir: root
            }
          : undefined
      )
    }
  }
}

/** Native addons are loaded by `require-addon`, which looks for files: what it would find is in the executable. */
function nativeAddons(root: string, addons: Map<string, Addon>): Plugin {
  return {
    name: 'native-addons',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]node_modules[\\/].*[\\/](binding|index)\.js$/ }, ({ path }) => {
        const [folder] = packageOf(relative(root, path))
        if (!folder || !LOADS_ADDON.test(readFileSync(path, 'utf8'))) return undefined
        const { name, version } = manifest(root, folder)
        const addon = { name: `${name.replace('/', '+')}-${version}`, folder }
        addons.set(addon.name, addon)
        const load = JSON.stringify(join(root, INSIDE, 'load.js'))
        return { contents: `module.exports = require(${load}).loadAddon(${JSON.stringify(addon.name)})` }
      })
    }
  }
}

/**
 * Packages whose `main` is UMD hide what they require from a bundler; their `module` does not. For the others `main` stays: Node
 * runs that, and the tests have tested it.
 */
function moduleBuilds(): Plugin {
  return {
    name: 'module-builds',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        if (pluginData === moduleBuilds || kind === 'entry-point') return undefined
        const found = await resolve(path, { kind, resolveDir, importer, pluginData: moduleBuilds })
        if (found.errors.length > 0 || found.external || !/[\\/]umd[\\/]/.test(found.path)) return undefined
        const folder = found.path.replace(/(node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+).*$/, '$1')
        const { module } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
          module?: string
        }
        return module === undefined ? undefined : { path: join(folder, module), namespace: 'module-build' }
      })
      // To Node, the whole of a CommonJS module is its default export.
      onLoad({ filter: /.*/, namespace: 'module-build' }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(path)})`,
        resolveDir: dirname(path)
      }))
    }
  }
}

/** The folder of the package that a file is in: none for our own. */
function packageOf(file: string): string[] {
  return /^.*node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(file)?.slice(0, 1) ?? []
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

function manifest(root: string, folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
}

/** The library of an addon for a system. */
export function prebuild(root: string, { name, folder }: Addon, system: string): Buffer {
  const prebuilds = join(root, folder, 'prebuilds', system)
  const [file, ...others] = readdirSync(prebuilds).filter(one => one.endsWith('.node'))
  if (!file || others.length > 0) throw new Error(`${name} does not have one library in ${prebuilds}`)
  return readFileSync(join(prebuilds, file))
}

/** Files that the program reads, by their path from the root. */
export function shippedFiles(root: string): ReadonlyMap<string, string> {
  const files = SHIPPED.flatMap(path => {
    if (path.endsWith('.json')) return [path]
    const names = readdirSync(join(root, path)).sort()
    return names.map(name => `${path}/${name}`)
  })
  const wanted = files.filter(file => !file.includes('/page/') || PAGE_FILES.test(basename(file)))
  return new Map(wanted.map(file => [file, join(root, file)]))
}

/** The licences of all packages inside, one after the other. */
export function licencesOf(root: string, packages: readonly string[]): string {
  const texts = packages.map(folder => {
    const { name, version, license } = manifest(root, folder)
    const file = readdirSync(join(root, folder)).find(one => /^(licen[cs]e|copying)(\.|$)/i.test(one))
    const text = file ? readFileSync(join(root, folder, file), 'utf8').trim() : `License: ${license}`
    return `${name} ${version}\n\n${text}\n`
  })
  return texts.join(`\n${'-'.repeat(72)}\n\n`)
}
