/** One script out of the build and its packages, and the files that it needs beside it. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { type BuildOptions, type BuildResult, build, type Plugin } from 'esbuild'

const BUILD = 'dist'
const INSIDE = join(BUILD, 'scripts', 'package', 'inside')
const INSTALLED = join(BUILD, 'scripts', 'package', 'installed')

/** Files that are not code, in the folders that the program reads them from. */
const SHIPPED = ['package.json', 'config/games', 'dist/src/ui/page']
/** Of the page; there lies, too, what the compiler made of it for tests. */
const PAGE_FILES = /^(main\.(js|css)|[\w-]+\.(html|svg))$/

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

/**
 * The script of a single-file program.
 * @param root of this repository, absolute, built
 */
export async function bundle(root: string): Promise<Bundle> {
  const addons = new Map<string, Addon>()
  const load = join(root, INSIDE, 'load.js')
  const result = await build({
    ...common(root),
    entryPoints: [join(INSIDE, 'start.js')],
    outfile: 'program.cjs',
    target: 'node22',
    plugins: [shippedInside(root), nativeAddons(root, addons, load), moduleBuilds(root), quickWidths()]
  })
  const { script, packages } = made(result)
  return { script, addons: [...addons.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), packages }
}

/** A package that is large and seldom used: it stays a package beside the program. */
const SELDOM = 'port-mapper'

/**
 * The scripts of the program that npm installs, beside the packages that it depends on: reading the hundreds of files that it is made
 * of would take longer than all else that happens at a start.
 * @param root of this repository, absolute, built
 */
export async function installedProgram(
  root: string
): Promise<{ readonly start: Buffer } & Omit<Bundle, 'addons'>> {
  const load = join(root, INSTALLED, 'load.js')
  const options = { ...common(root), target: 'node20' }
  const program = build({
    ...options,
    entryPoints: [join(BUILD, 'src', 'main.js')],
    outfile: 'program.js',
    external: [SELDOM],
    plugins: [nativeAddons(root, new Map(), load), moduleBuilds(root), quickWidths()]
  })
  const start = build({ ...options, entryPoints: [join(INSTALLED, 'start.js')], outfile: 'main.js' })
  return { start: made(await start).script, ...made(await program) }
}

function common(root: string): BuildOptions & { write: false; metafile: true } {
  return {
    absWorkingDir: root,
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href" },
    metafile: true,
    logLevel: 'warning'
  }
}

function made({
  outputFiles,
  metafile
}: BuildResult<{ write: false; metafile: true }>): Omit<Bundle, 'addons'> {
  const script = withSharedImports(outputFiles[0]!.text)
  if (/\brequire\.addon\(['"]/.test(script))
    throw new Error('A native addon is loaded in a way unknown here.')
  // Modules made by a plugin carry its name and an absolute path.
  const files = Object.keys(metafile.inputs).filter(file => !file.includes(':'))
  return { script: Buffer.from(script), packages: [...new Set(files.flatMap(packageOf))].sort() }
}

/** What esbuild wraps a CommonJS module in for each module that imports it. */
const WRAPS_IMPORT = /\b__toESM=\(mod,isNodeMode,target\)=>\(target=.*?:target,mod\)\)/

/**
 * Has modules that import a CommonJS module share its exports. esbuild gives each a copy with a getter for every export, to which
 * exports may be added later: a few lines that use libsodium's had hundreds, all together some 6,000 getters.
 */
function withSharedImports(script: string): string {
  const shared =
    '__toESM=(mod,isNodeMode)=>mod!=null&&!isNodeMode&&mod.__esModule?mod:__create(Object(mod),{default:{value:mod,enumerable:!0}})'
  const result = script.replace(WRAPS_IMPORT, () => shared)
  if (result === script && script.includes('__toESM('))
    throw new Error('esbuild imports CommonJS in a way unknown here.')
  return result
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

/**
 * Native addons are loaded by `require-addon`, which tries a dozen places for each: here it is known where they are.
 * @param addons gets those that are loaded
 * @param loader the module that loads them, with `loadAddon`
 */
function nativeAddons(root: string, addons: Map<string, Addon>, loader: string): Plugin {
  return {
    name: 'native-addons',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]node_modules[\\/].*[\\/](binding|index)\.js$/ }, ({ path }) => {
        const [folder] = packageOf(relative(root, path))
        if (!folder || !LOADS_ADDON.test(readFileSync(path, 'utf8'))) return undefined
        const { name, version } = manifest(root, folder)
        const addon = { name: `${name.replace('/', '+')}-${version}`, folder }
        addons.set(addon.name, addon)
        const load = JSON.stringify(loader)
        return { contents: `module.exports = require(${load}).loadAddon(${JSON.stringify(addon.name)})` }
      })
    }
  }
}

/**
 * Packages whose `main` is UMD hide what they require from a bundler; their `module` does not. For the others `main` stays: Node
 * runs that, and the tests have tested it.
 */
function moduleBuilds(root: string): Plugin {
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
        if (module === undefined) return undefined
        // The bundle has this path in it, and must not depend on where it was made.
        return { path: relative(root, join(folder, module)), namespace: 'module-build' }
      })
      // To Node, the whole of a CommonJS module is its default export.
      onLoad({ filter: /.*/, namespace: 'module-build' }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(join(root, path))})`,
        resolveDir: dirname(join(root, path))
      }))
    }
  }
}

/**
 * The width of a text in a terminal is its length where it has nothing but ASCII. For any other text `string-width` makes tables of
 * what Unicode has, and did so at every start: 20 ms and 3 MB.
 */
function quickWidths(): Plugin {
  const whole = '?whole'
  return {
    name: 'quick-widths',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]string-width[\\/]index\.js$/ }, ({ path, suffix }) =>
        suffix === whole
          ? undefined
          : {
              contents: `export default (text, options) =>
                /^[ -~]*$/.test(text) ? text.length : require(${JSON.stringify(`./${basename(path)}${whole}`)}).default(text, options)`,
              resolveDir: dirname(path)
            }
      )
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

/** The licences of all packages inside, one after the other; a text that several have is there once, behind all of their names. */
export function licencesOf(root: string, packages: readonly string[]): string {
  const names = new Map<string, string[]>()
  for (const folder of packages) {
    const { name, version, license } = manifest(root, folder)
    const file = readdirSync(join(root, folder)).find(one => /^(licen[cs]e|copying)(\.|$)/i.test(one))
    const text = file ? readFileSync(join(root, folder, file), 'utf8').trim() : `License: ${license}`
    names.set(text, [...(names.get(text) ?? []), `${name} ${version}\n`])
  }
  const parts = [...names].map(([text, list]) => `${list.join('')}\n${text}\n`)
  return parts.join(`\n${'-'.repeat(72)}\n\n`)
}
