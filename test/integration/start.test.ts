// What a daemon loads when it starts, as npm installs it. Each file that is read, and each part that this run has no use for, makes
// every start slower and the process larger.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { compiledFile, installedFile } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'
import { root } from '../unit/root.js'

/** Loaded before the program; writes what was loaded and read into a file when it ends. */
const RECORDER = `
const fs = require('node:fs')
const { readFileSync, readdirSync, writeFileSync } = fs
const read = []
fs.readFileSync = (path, ...rest) => (read.push(String(path)), readFileSync(path, ...rest))
fs.readdirSync = (path, ...rest) => (read.push(String(path)), readdirSync(path, ...rest))
require('node:module').syncBuiltinESMExports()
let getters = 0
const { defineProperty } = Object
Object.defineProperty = (...args) => (args[2].get && getters++, defineProperty(...args))
let segmenters = 0
Intl.Segmenter = class extends Intl.Segmenter { constructor(...args) { super(...args); segmenters++ } }
process.on('exit', () => {
  const builtin = process.moduleLoadList.map(name => name.replace(/^NativeModule /, ''))
  writeFileSync(process.env.RECORD, JSON.stringify({ code: Object.keys(require.cache), builtin, read, segmenters, getters }))
})`

interface Recorded {
  readonly code: readonly string[]
  readonly builtin: readonly string[]
  readonly read: readonly string[]
  /** Properties that were defined with a getter. */
  readonly getters: number
  /** Tables of Unicode that were made. */
  readonly segmenters: number
}

/** Parts of Node that the page, metrics, proxies and relays by TCP need, and nothing else. */
const UNUSED = ['http', 'https', 'http2', 'tls']

/** Exports of modules, mostly; each takes some 250 bytes, in place of 8. */
const GETTERS_MAX = 1500

/** Whether `require` keeps compiled code. Without that, the program is read in pieces. */
const keepsCode = 'enableCompileCache' in module

/** A folder with the recorder, and how to start a program with it. */
function recording(stage: Stage) {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-start-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const recorder = join(folder, 'recorder.cjs')
  writeFileSync(recorder, RECORDER)
  const record = join(folder, 'record.json')
  return {
    start: { program: [process.execPath, '--require', recorder, installedFile], env: { RECORD: record } },
    recorded: () => JSON.parse(readFileSync(record, 'utf8')) as Recorded
  }
}

/** Code of this project and its packages, by its path from the root. */
function ownCode({ code }: Recorded): string[] {
  return code.map(path => relative(root, path).replaceAll('\\', '/')).filter(path => !path.startsWith('..'))
}

staged('a server loads its two scripts, two libraries, and nothing that it has no use for', async stage => {
  const { start, recorded } = recording(stage)
  const shares = [{ proto: 'tcp', port: 4000 }] as const
  const { bootstrap } = await stage.testnet()
  const network = { bootstrap, portMapping: false }
  const server = await stage.daemon(serverEntries(shares, newSecret()), { network }, start)
  await server.event('ready')
  assert.equal((await server.stop()).code, 0)
  const loaded = recorded()
  assert.deepEqual(
    ownCode(loaded).filter(path => path.endsWith('.js')),
    keepsCode ? ['dist/bin/main.js', 'dist/bin/program.js'] : ['dist/bin/main.js']
  )
  assert.ok(
    keepsCode || !loaded.read.some(path => path.endsWith('program.js')),
    'glibc would keep twice its size of freed memory'
  )
  assert.ok(loaded.getters < GETTERS_MAX, `${loaded.getters} getters`)
  assert.deepEqual(
    ownCode(loaded)
      .filter(path => path.endsWith('.node'))
      .map(path => path.replace(/^.*\//, ''))
      .sort(),
    ['sodium-native.node', 'udx-native.node']
  )
  assert.deepEqual(
    UNUSED.filter(name => loaded.builtin.includes(name)),
    []
  )
  assert.deepEqual(
    loaded.read.filter(path => /config.games/.test(path)),
    [],
    'no recipe of a game is read'
  )
  assert.equal(loaded.segmenters, 0, 'no tables for the width of texts')
})

staged('nothing that it loads later has Node say that it is experimental', async stage => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-start-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  // The page's settings, where there is no options.json: needs modules that nothing else does.
  const page = stage.start(['ui', '--no-open', '--json', '--bootstrap', '127.0.0.1:9'], {
    cwd: folder,
    program: [process.execPath, installedFile]
  })
  await page.event('ui')
  const { stderr } = await page.stop()
  assert.doesNotMatch(stderr, /Warning/)
})

test('it says what the build says', async () => {
  for (const words of [['host', '--help'], ['games'], ['nonsense'], ['server', '-p', '0']]) {
    const [built, installed] = await Promise.all(
      [compiledFile, installedFile].map(file => runProgram(process.execPath, [file, ...words]))
    )
    const named = (text = ''): string => text.replaceAll(join('dist', 'src'), join('dist', 'bin'))
    const expected = { ...built!, stdout: named(built!.stdout), stderr: named(built!.stderr) }
    assert.deepEqual(installed, expected, words.join(' '))
  }
})
