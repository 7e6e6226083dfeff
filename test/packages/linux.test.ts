// The program for Linux, as people download it.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { noBrowser, Pages } from '../support/browser.js'
import { mainFile, writeOptions } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { missing } from '../support/programs.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'
import { carryBytes, linuxSide, notHere, product, version } from './products.js'

const program = product(`-${version}-linux-x64`)

/** A home of its own, in which the program has never been. */
function home(t: TestContext): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-home-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary)
  return {
    folder,
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: temporary, HYPER_NAT_CONTROL: 'off' }
  }
}

test('it says what the build under test says', { skip: notHere, timeout: 120_000 }, async t => {
  const { folder, env } = home(t)
  // Both are called hyper-nat where they are found in PATH.
  const [alone, build] = ['program', 'build'].map(name => join(folder, name, 'hyper-nat')) as [string, string]
  for (const path of [alone, build]) mkdirSync(dirname(path))
  copyFileSync(program, alone)
  symlinkSync(mainFile, build)
  const run = (words: readonly string[], [command = '', ...args]: readonly string[], path: string) =>
    runProgram(command, [...args, ...words], { env: { ...env, PATH: dirname(path) }, cwd: folder })
  for (const words of [
    ['--help'],
    ['host', '--help'],
    ['games'],
    ['games', 'minecraft'],
    ['completion', 'zsh'],
    ['nonsense']
  ]) {
    const expected = await run(words, [process.execPath, build], build)
    assert.deepEqual(await run(words, [alone], alone), expected, words.join(' '))
  }
})

test('an identity is kept, and options with faults are refused with 2', {
  skip: notHere,
  timeout: 60_000
}, async t => {
  const { folder, env } = home(t)
  const first = await runProgram(program, ['id'], { env, cwd: folder })
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^\w{43,44}\n$/)
  assert.equal((await runProgram(program, ['id'], { env, cwd: folder })).stdout, first.stdout)
  writeFileSync(join(folder, 'options.json'), '{ "schema": [{ "mode": "sever", // a comment\n "port": 1 }] }')
  const { code, stderr } = await runProgram(program, [], { env, cwd: folder })
  assert.equal(code, 2)
  assert.match(stderr, /schema\[0\]\.mode/)
})

test('eight first starts at once all work, and leave one copy of each addon', {
  skip: notHere,
  timeout: 120_000
}, async t => {
  const { folder, env } = home(t)
  const starts = Array.from({ length: 8 }, () =>
    runProgram(program, ['keygen', '--json'], { env, ms: 100_000 })
  )
  for (const { code, stderr } of await Promise.all(starts)) assert.equal(code, 0, stderr)
  const cache = join(folder, '.cache', 'hyper-nat')
  const [addons, ...others] = readdirSync(cache)
  assert.deepEqual(others, [])
  for (const name of readdirSync(join(cache, addons!))) assert.match(name, /^[\w.-]+\.node$/)
})

test('a cache that is mounted noexec is done without', {
  skip: notHere || missing('unshare') || (process.getuid?.() !== 0 && 'mounting takes root'),
  timeout: 60_000
}, async t => {
  const { folder, env } = home(t)
  const cache = join(folder, '.cache')
  mkdirSync(cache)
  const script =
    'mount -t tmpfs -o noexec,mode=700 none "$HOME/.cache" && "$0" keygen && ls "$HOME/.cache/hyper-nat"'
  const { code, stdout, stderr } = await runProgram('unshare', ['-m', 'sh', '-c', script, program], { env })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /public key/)
  assert.match(stdout, /^addons-/m)
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
})

test('it installs itself as a service', { skip: notHere, timeout: 60_000 }, async t => {
  const { folder, env } = home(t)
  writeFileSync(
    join(folder, 'options.json'),
    JSON.stringify({ schema: [{ mode: 'server', port: 1, secret: newSecret() }] })
  )
  const { code, stdout, stderr } = await runProgram(program, ['service', 'install', '--dry-run'], {
    env,
    cwd: folder
  })
  assert.equal(code, 0, stderr)
  assert.match(stdout, new RegExp(`ExecStart="${program}" -c "${folder}/options\\.json"`))
  assert.doesNotMatch(stdout, /node|\.cache/)
})

staged(
  'it carries tcp, udp and tcpudp in both directions, beside the build under test',
  async stage => {
    await carryBytes(stage, linuxSide([program]), linuxSide())
    await carryBytes(stage, linuxSide(), linuxSide([program]))
  },
  { skip: notHere, timeout: 200_000 }
)

staged(
  'its page hosts, in a browser',
  async stage => {
    const pages = await Pages.open(stage)
    const game = await stage.use(listenTcpEcho())
    const { folder, remove } = writeOptions('')
    stage.defer(remove)
    const file = join(folder, 'new.json')
    const { bootstrap } = await stage.testnet()
    const daemon = stage.start(['ui', '-c', file, '--json', '--bootstrap', bootstrap.join(',')], {
      program: [program]
    })
    const { once } = await daemon.event('ui')
    const page = await pages.visit(once)
    await page.getByRole('link', { name: 'Host' }).click()
    await page.getByRole('button', { name: 'Another game or program' }).click()
    await page.getByRole('textbox', { name: /^Port/ }).fill(`${game.port}`)
    await page.getByRole('button', { name: 'Host', exact: true }).click()
    await page.getByText('Friends can join', { exact: true }).waitFor()
    const { schema } = JSON.parse(readFileSync(file, 'utf8')) as { schema: { port: number }[] }
    assert.equal(schema[0]?.port, game.port)
    assert.deepEqual(pages.complaints, [])
  },
  { skip: notHere || noBrowser, timeout: 120_000 }
)

staged(
  'it follows its options file',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const entry = { mode: 'server', port: 4000, secret: newSecret() }
    const { file, remove } = writeOptions({ schema: [entry], network: { bootstrap, portMapping: false } })
    stage.defer(remove)
    const daemon = stage.start(['-c', file, '--json'], { program: [program] })
    await daemon.event('ready')
    const from = daemon.mark
    writeFileSync(
      file,
      JSON.stringify({
        schema: [entry, { ...entry, port: 4001 }],
        network: { bootstrap, portMapping: false }
      })
    )
    const reloaded = await daemon.event('reloaded', { from })
    assert.equal(reloaded.added.length, 1)
  },
  { skip: notHere, timeout: 120_000 }
)
