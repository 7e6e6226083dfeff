import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { compiledFile, HyperNat, mainFile } from '../../support/hyper-nat.js'
import { Process } from '../../support/process.js'
import { missing } from '../../support/programs.js'
import { startTestnet } from '../../support/testnet.js'

// Where there is no options.json.
const cwd = mkdtempSync(join(tmpdir(), 'hyper-nat-main-'))
process.on('exit', () => rmSync(cwd, { recursive: true, force: true }))

/** Runs the program itself to its end. */
async function main(args: string[], env: Record<string, string> = {}) {
  const child = new HyperNat(args, { cwd, env })
  child.input('')
  return child.end()
}

test('no command and no options.json: what to write, exit code 2', async () => {
  const { code, stdout, stderr } = await main([])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /there is no file options.json/)
  assert.match(stderr, /node \S*main\.js server -p 3000/)
  assert.match(stderr, /"mode": "server"(.|\n)*"mode": "client"/)
  assert.match(stderr, /^[\x20-\x7e\n]+$/)
})

test('bad usage: exit code 2, every fault, nothing on stdout', async () => {
  const { code, stdout, stderr } = await main(['server', '-p', '0', '--prot', 'tcp', '-s', ''])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  for (const place of ['-p', '--prot', '-s']) assert.ok(stderr.includes(`\n  ${place}: `), stderr)
})

test('bad options as JSON: exit code 2, only JSON on stdout, nothing on stderr', async () => {
  writeFileSync(join(cwd, 'bad.json'), '{\n  "schema": [\n')
  const { code, stdout, stderr } = await main(['-c', 'bad.json', '--json'])
  assert.equal(code, 2)
  assert.equal(stderr, '')
  const { message, ...rest } = JSON.parse(stdout)
  assert.deepEqual(rest, { event: 'error', code: 'BAD_OPTIONS', path: 'line 3, column 1' })
  assert.match(message, /^not JSON/)
})

test('help and version: exit code 0', async () => {
  const help = await main(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /Advanced:/)
  assert.equal(help.stderr, '')
  assert.equal((await main(['--version'])).code, 0)
})

/** Prints the packages that are loaded to stderr. */
const HOOK = `import { writeSync } from 'node:fs'
export async function resolve(name, context, next) {
  const found = await next(name, context)
  const [, loaded] = /node_modules\\/([^/]+)\\//.exec(found.url) ?? []
  if (loaded) writeSync(2, 'loaded ' + loaded + '\\n')
  return found
}`

/** The packages that a command loads. */
function loadedBy(...args: string[]): Set<string> {
  const asUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const register = `import { register } from 'node:module'; register(${JSON.stringify(asUrl(HOOK))})`
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', asUrl(register), compiledFile, ...args],
    {
      cwd,
      encoding: 'utf8'
    }
  )
  assert.equal(status, 0, stderr)
  return new Set([...stderr.matchAll(/^loaded (.*)$/gm)].map(([, name = '']) => name))
}

test('help loads neither the validation of options nor the cryptography', () => {
  const judge = 'zod'
  const cryptography = 'sodium-native'
  for (const args of [
    ['--help'],
    ['join', '--help'],
    ['--version'],
    ['--get-yargs-completions', 'hyper-nat', 'jo']
  ]) {
    const loaded = loadedBy(...args)
    assert.ok(loaded.has('yargs'), args.join(' '))
    assert.ok(!loaded.has(judge) && !loaded.has(cryptography), args.join(' '))
  }
  assert.ok(loadedBy('games', 'minecraft').has(judge))
  assert.ok(loadedBy('keygen').has(cryptography))
})

test('a secret that could not be saved leaves no file in its place', {
  skip: process.platform === 'win32' && 'there is no limit for the size of files'
}, () => {
  const path = join(cwd, 'no room', 'secret')
  mkdirSync(join(cwd, 'no room'))
  // In place of a full disk.
  const limited = ['-c', 'ulimit -f 0; exec "$@"', 'sh', process.execPath, mainFile]
  const args = ['server', '-p', '1/udp', '--bootstrap', '127.0.0.1:9', '--save-secret', path]
  const { status } = spawnSync('sh', [...limited, ...args], { cwd, timeout: 20_000 })
  assert.notEqual(status, 0)
  assert.ok(!existsSync(path))
})

test('a reader that has gone ends it quietly', async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const args = ['server', '-p', '1/udp', '--bootstrap', testnet.bootstrap.join(',')]
  const child = spawn(process.execPath, [mainFile, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
})

test('a full disk under stdout does not end it: it warns once', {
  skip: !existsSync('/dev/full')
}, async () => {
  const args = ['server', '-p', '1/udp', '-s', 'mysecret', '--json', '--bootstrap', '127.0.0.1:9']
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [mainFile, ...args], { cwd, stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  const stderr = text(child.stderr!)
  // Once stdout has failed, only a signal ends it.
  await new Promise<void>(resolve => {
    child.stderr!.on('data', (chunk: Buffer) => {
      if (String(chunk).includes('STDOUT_FAILED')) resolve()
    })
    child.once('exit', () => resolve())
  })
  assert.equal(child.exitCode, null)
  child.kill('SIGTERM')
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.equal((await stderr).split('STDOUT_FAILED').length, 2)
})

test('a command whose answer does not fit on the disk has failed', {
  skip: !existsSync('/dev/full')
}, () => {
  for (const args of [['keygen'], ['keygen', '--json'], ['--help'], ['games']]) {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = spawnSync(process.execPath, [mainFile, ...args], {
      cwd,
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
      timeout: 20_000
    })
    closeSync(full)
    assert.equal(status, 1, args.join(' '))
    assert.match(stderr, /^warning STDOUT_FAILED: .*\(ENOSPC\).*\n$/)
  }
})

test('a second signal ends it at once', { skip: process.platform === 'win32' }, async t => {
  // No DHT there: closing waits for answers that do not come.
  const child = new HyperNat(
    ['server', '-p', '1/udp', '-s', 'mysecret', '-v', '--bootstrap', '127.0.0.1:9'],
    {
      cwd
    }
  )
  t.after(() => child.kill('SIGKILL'))
  await child.says(/warning: -s: the secret is/)
  child.kill('SIGINT')
  await child.says(/info {2}closing/)
  const before = performance.now()
  child.kill('SIGINT')
  assert.equal((await child.end()).code, 0)
  assert.ok(performance.now() - before < 1500)
})

// Run inside the program: an error that nobody expects, once it is up.
const SABOTAGE = `
  const write = process.stdout.write
  process.stdout.write = function (...args) {
    if (String(args[0]).includes('Sharing')) queueMicrotask(() => { throw new TypeError('a bug near mysecret') })
    return write.apply(this, args)
  }`

test('an unexpected error ends it with 1 and one line without secrets', async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const args = ['server', '-p', '1/udp', '-s', 'mysecret', '--bootstrap', testnet.bootstrap.join(',')]
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(SABOTAGE)}`]
  const { code, stderr } = await new HyperNat(args, { cwd, nodeArgs }).end()
  assert.equal(code, 1)
  assert.match(stderr, /\nerror INTERNAL: TypeError: a bug near \[secret\]\n$/)
})

test('with --json, an unexpected error is an event as well', async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const args = [
    'server',
    '-p',
    '1/udp',
    '-s',
    'mysecret',
    '--json',
    '--bootstrap',
    testnet.bootstrap.join(',')
  ]
  const code = SABOTAGE.replace('Sharing', '"ready"')
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(code)}`]
  const ended = await new HyperNat(args, { cwd, nodeArgs }).end()
  assert.equal(ended.code, 1)
  assert.equal(ended.stderr, '')
  const last = JSON.parse(ended.stdout.trimEnd().split('\n').at(-1)!)
  assert.deepEqual(last, { event: 'error', code: 'INTERNAL', message: 'TypeError: a bug near [secret]' })
})

/** Runs a program in a terminal of its own, closes that when it has said a word, and tells how the program ended. */
const CLOSED_TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
said = b''
while sys.argv[1].encode() not in said: said += os.read(terminal, 4096)
os.close(terminal)
print(os.waitpid(pid, 0)[1] & 127)
`

test('a terminal that closes ends it without a crash', {
  skip: process.platform === 'win32' || missing('python3')
}, async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const flags = ['--control', 'off', '--bootstrap', testnet.bootstrap.join(',')]
  const server = ['server', '-p', '1/udp', '-s', 'mysecret', ...flags]
  const program = [process.execPath, mainFile, ...server]
  // The word is of the line with the key, which stands there when it is announced.
  const { code, stdout, stderr } = await new Process('python3', [
    '-c',
    CLOSED_TERMINAL,
    'EPkmaN7v',
    ...program
  ]).end()
  assert.equal(code, 0, stderr)
  assert.equal(Number(stdout), constants.signals.SIGHUP)
})

test('a signal ends it with 0, within 3 seconds', { skip: process.platform === 'win32' }, async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const bootstrap = testnet.bootstrap.join(',')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const args = [
      'server',
      '-p',
      '3000,3001',
      '--protocol',
      'udp,tcp',
      '-s',
      'mysecret',
      '--bootstrap',
      bootstrap
    ]
    const child = new HyperNat(args, { cwd })
    t.after(() => child.kill('SIGKILL'))
    const invite =
      '-l "3000,3001" -r "3000,3001" --protocol "udp,tcp" -k EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
    await child.says(new RegExp(`hyper-nat client ${invite} --bootstrap ${bootstrap}\n`))
    const before = performance.now()
    child.kill(signal)
    const { code, signal: killedBy, stdout, stderr } = await child.end()
    assert.deepEqual({ code, killedBy }, { code: 0, killedBy: null }, stderr)
    assert.ok(performance.now() - before < 3500)
    assert.doesNotMatch(stdout + stderr, /mysecret/)
  }
})
