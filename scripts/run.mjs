// Where every `npm run ..` of this project starts: plain JavaScript without dependencies, because it must work in a fresh
// clone that has neither node_modules nor a build, on Windows too.
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { canary } from './canary.mjs'
import { groupNames, runGroups } from './test-groups.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = {
  biome: join('node_modules', '@biomejs', 'biome', 'bin', 'biome'),
  tsc: join('node_modules', 'typescript', 'bin', 'tsc')
}

const tasks = {
  demo: args => prepared(() => node([join('dist', 'scripts', 'demo.js'), ...args])),
  bench: args => prepared(() => node([join('dist', 'scripts', 'bench', 'main.js'), ...args])),
  soak: args => prepared(() => node([join('dist', 'scripts', 'soak', 'main.js'), ...args])),
  plot: args => prepared(() => node([join('dist', 'scripts', 'plot-trace.js'), ...args])),
  'nat-matrix': args => prepared(() => node([join('dist', 'scripts', 'nat-matrix.js'), ...args])),
  package: args => prepared(() => node([join('dist', 'scripts', 'package', 'main.js'), ...args])),
  build: () => prepared(() => 0),
  lint: args => installed(() => lint(args)),
  format: () => installed(() => lint(['--write'])),
  test,
  canary: args => canary(root, args),
  // npm runs this after `npm ci`, where a task that started npm builds anyway, and for `npm install -g .`, which installs
  // nothing else.
  prepare: () => (process.env.HYPER_NAT_TASK ? 0 : installed(prepare))
}

const [name = '', ...args] = process.argv.slice(2)
const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined
if (!task) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(tasks).join('|')}`)
  process.exit(2)
}
process.exit(await task(args))

/** Installs if needed, then goes on. Every step gives an exit code; the first that is not 0 is the last. */
async function installed(next) {
  return (await install()) || next()
}

/** Installs if needed, builds, then goes on. */
function prepared(next) {
  return installed(async () => (await build()) || next())
}

/** Builds where the compiler is installed. Without dev dependencies, an existing build is what should run. */
function prepare() {
  if (existsSync(join(root, bin.tsc))) return build()
  if (existsSync(join(root, 'dist', 'src', 'main.js'))) return 0
  console.error('Cannot build: the dev dependencies are not installed. Run npm ci, then npm run build.')
  return 1
}

/** `npm ci`, when node_modules is missing or older than the lock file. */
function install() {
  if (!isStale(join(root, 'node_modules', '.package-lock.json'), join(root, 'package-lock.json'))) return 0
  console.log('Installing the packages of package-lock.json ..')
  // npm is a .cmd on Windows, which only a shell can start.
  const shell = process.platform === 'win32'
  return run('npm', ['ci', '--global=false'], { shell, env: { ...process.env, HYPER_NAT_TASK: name } })
}

function isStale(made, from) {
  return !existsSync(made) || statSync(made).mtimeMs < statSync(from).mtimeMs
}

/** The whole tree is rebuilt, so that a deleted test does not live on in dist. */
async function build() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  return (
    (await node([bin.tsc])) ||
    // The page is for browsers, with other types; esbuild does not look at types.
    (await node([bin.tsc, '-p', join('src', 'ui', 'page')])) ||
    (await node([join('scripts', 'page.mjs')])) ||
    (await node([join('dist', 'scripts', 'man.js')])) ||
    (await node([join('dist', 'scripts', 'program.js')])) ||
    executable('src', 'main.js') ||
    executable('bin', 'main.js')
  )
}

/** npm does this for what it installs; in the container, and in a clone, nobody else does. */
function executable(...path) {
  chmodSync(join(root, 'dist', ...path), 0o755)
  return 0
}

function lint(args = []) {
  return node([bin.biome, 'check', ...args])
}

/** `--quick`: the groups that need no sockets, with fewer random cases, for a change that is under way. `--all`: every group, those too that are to be named. */
async function test(args) {
  const unknown = args.filter(arg => arg.startsWith('-') && arg !== '--quick' && arg !== '--all')
  if (unknown.length > 0) {
    console.error(`Unknown flag: ${unknown.join(', ')}. npm test takes --quick, --all and names of groups.`)
    return 2
  }
  const quick = args.includes('--quick')
  if (quick) process.env.HYPER_NAT_QUICK = '1'
  const only = quick ? ['unit', 'sim', 'fuzz'] : args.includes('--all') ? groupNames : args
  // What npm installs is what people run, and starts faster. A file that is tested by itself runs what the compiler made last.
  process.env.HYPER_NAT_TEST_INSTALLED = '1'
  return installed(async () => (await lint()) || (await build()) || runGroups(root, only))
}

function node(args) {
  return run(process.execPath, args)
}

/** Runs a program in the project's folder; resolves with its exit code. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options })
    // Ctrl-C reaches the child too, being in the same terminal: let it clean up, and give its exit code.
    const ignore = () => {}
    const forward = () => child.kill('SIGTERM')
    process.on('SIGINT', ignore)
    process.on('SIGTERM', forward)
    child.on('error', reject)
    child.on('close', code => {
      process.off('SIGINT', ignore)
      process.off('SIGTERM', forward)
      resolve(code ?? 1)
    })
  })
}
