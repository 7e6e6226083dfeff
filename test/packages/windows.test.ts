// The program and the installer for Windows, in Wine, beside a program of this system.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectTcp, readAll, readSome, tcpEnd } from '../support/clients.js'
import { until } from '../support/deadline.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { type Ending, Process, runProgram } from '../support/process.js'
import { findProgram, missing, programPath } from '../support/programs.js'
import { listenTcpEcho } from '../support/servers.js'
import { clientEntries, newSecret, staged } from '../support/stage.js'
import { carryBytes, linuxSide, notHere, product, type Side, version } from './products.js'

const exe = product(`-${version}-win-x64.exe`)
const setup = product(`-${version}-win-x64-setup.exe`)

const WINESERVER = findProgram('wineserver') ?? '/usr/lib/wine/wineserver64'

const reason = notHere || missing('wine', 'bash')

const base = mkdtempSync(join(tmpdir(), 'hyper-nat-wine-'))
const prefix = join(base, 'prefix')

/** Names as people have them. */
const folder = join(prefix, 'drive_c', 'Jörg K ゲーム')
const WINDOWS_FOLDER = 'C:\\Jörg K ゲーム'

const env = {
  PATH: process.env.PATH,
  HOME: base,
  LC_ALL: 'C.UTF-8',
  WINEPREFIX: prefix,
  WINEDEBUG: '-all',
  // It asks whether to install these, and nothing here wants them.
  WINEDLLOVERRIDES: 'mscoree,mshtml=,winemenubuilder.exe=d'
}

/** Wine hands on files only as what a program of Node reads and writes, no pipes and sockets: files are followed. */
const FOLLOW = `
out=$(mktemp) err=$(mktemp)
"$@" </dev/null >"$out" 2>"$err" & program=$!
tail -s 0.1 -n +1 --pid=$program -f "$out" &
tail -s 0.1 -n +1 --pid=$program -f "$err" >&2 &
wait $program; code=$?
wait
rm "$out" "$err"
exit $code
`
const WINE = ['bash', '-c', FOLLOW, 'bash', 'wine'] as const

/** Runs a program of Windows to its end. */
async function wine(...words: string[]): Promise<Ending> {
  const [command, ...args] = WINE
  const { stdout, ...rest } = await runProgram(command, [...args, ...words], {
    env,
    cwd: folder,
    ms: 120_000
  })
  return { ...rest, stdout: stdout.replaceAll('\r\n', '\n') }
}

async function succeeds(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await wine(...words)
  assert.equal(code, 0, `${words.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const windowsSide: Side = {
  start: (stage, args, name) =>
    stage.start(args, {
      program: [...WINE, exe],
      name,
      cwd: folder,
      env: { ...env, HYPER_NAT_CONTROL: undefined }
    }),
  // Windows has no SIGTERM. It is found by the file in its folder.
  async end(daemon) {
    await succeeds(exe, 'stop')
    const { code } = await daemon.end(30_000)
    assert.equal(code, 0, daemon.describe())
  }
}

before(
  async () => {
    if (reason) return
    mkdirSync(prefix, { recursive: true })
    for (const words of [
      ['wineboot', '-i'],
      ['winecfg', '-v', 'win10']
    ]) {
      const { code, stderr } = await runProgram('wine', words, { env, ms: 180_000 })
      assert.equal(code, 0, stderr)
    }
    mkdirSync(folder)
  },
  { timeout: 390_000 }
)

after(async () => {
  if (!reason) await runProgram(WINESERVER, ['-k'], { env }).catch(() => {})
  rmSync(base, { recursive: true, force: true, maxRetries: 5 })
})

staged(
  'it carries tcp, udp and tcpudp as host and as guest of a program of Linux',
  async stage => {
    await carryBytes(stage, windowsSide, linuxSide())
    await carryBytes(stage, linuxSide(), windowsSide)
  },
  { skip: reason, timeout: 390_000 }
)

staged(
  'it runs a file in a folder with blanks, umlauts and Japanese, and follows it; status and page answer',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const entry = { mode: 'server', port: 4000, secret: newSecret() }
    const options = { network: { bootstrap, portMapping: false }, ui: true }
    const write = (schema: object[]): void =>
      writeFileSync(join(folder, 'options.json'), JSON.stringify({ schema, ...options }))
    write([entry])
    const daemon = windowsSide.start(stage, ['-c', `${WINDOWS_FOLDER}\\options.json`, '--json'], 'windows')
    await daemon.event('ready', { ms: 120_000 })
    await checkPage(daemon)
    const from = daemon.mark
    write([entry, { ...entry, port: 4001 }])
    assert.equal((await daemon.event('reloaded', { from, ms: 60_000 })).added.length, 1)
    const status = JSON.parse(await succeeds(exe, 'status', '--json')) as { daemons?: unknown }
    assert.match(JSON.stringify(status), /Jörg K ゲーム/)
    await windowsSide.end(daemon)
    const { code, stderr } = await wine(exe, 'status')
    assert.equal(code, 1)
    assert.match(stderr, /No hyper-nat of this user is running/)
  },
  { skip: reason, timeout: 390_000 }
)

staged(
  'pipes stand in for ports, as a target and as a local end',
  async stage => {
    const echo = await stage.use(listenTcpEcho())
    const inner = await stage.daemon([
      { mode: 'server', proto: 'tcp+tcpudp', port: echo.port, secret: newSecret() }
    ])
    const { publicKey } = await inner.event('ready')
    const { bootstrap } = await stage.testnet()
    // No program of Windows is at hand that serves a pipe, so one map's local end is another one's target.
    const pipes = ['tcp', 'tcpudp'].map(proto => ({ proto, name: `\\\\.\\pipe\\app ゲーム ${proto}` }))
    const secret = newSecret()
    const server = { mode: 'server', proto: 'tcp', secret }
    const schema = [
      ...pipes.map(({ proto, name }) => ({
        mode: 'client',
        proto,
        port: echo.port,
        publicKey,
        localHost: name
      })),
      ...pipes.map(({ name }, index) => ({ ...server, port: 4000 + index, host: name })),
      { ...server, port: 4002, host: '\\\\.\\pipe\\nobody' }
    ]
    const options = { schema, network: { bootstrap, portMapping: false } }
    writeFileSync(join(folder, 'pipes.json'), JSON.stringify(options))
    const daemon = windowsSide.start(stage, ['-c', `${WINDOWS_FOLDER}\\pipes.json`, '--json'], 'windows')
    const ready = await daemon.event('ready', { ms: 120_000, where: ({ mode }) => mode === 'server' })
    const outer = await stage.daemon(
      clientEntries(
        [4000, 4001, 4002].map(port => ({ proto: 'tcp', port })),
        ready.publicKey
      )
    )
    await daemon.event('connected', { ms: 60_000 })
    for (const port of [4000, 4001]) {
      const local = await outer.localPort('tcp', port)
      const carried = Array.from({ length: 4 }, async () => {
        const data = stage.random.bytes(1 << 20)
        const socket = await connectTcp(local)
        socket.write(data)
        assert.ok((await readSome(socket, data.length, 60_000)).equals(data))
        socket.end()
        assert.equal((await readAll(socket)).length, 0)
        socket.destroy()
      })
      await Promise.all(carried)
    }
    // As in place of a port that nobody listens on.
    assert.equal(await tcpEnd(await connectTcp(await outer.localPort('tcp', 4002))), 'reset')
    // Windows lets no second program listen on a pipe; Wine 8 does, so that is not tried here.
    await windowsSide.end(daemon)
  },
  { skip: reason, timeout: 390_000 }
)

/** Every file of the page is served, from inside the program. */
async function checkPage(daemon: HyperNat): Promise<void> {
  const { url } = await daemon.event('ui')
  const { origin } = new URL(url)
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/main.js', 'javascript'],
    ['/main.css', 'text/css'],
    ['/icon.svg', 'image/svg']
  ] as const) {
    const answer = await fetch(new URL(path, origin))
    assert.equal(answer.status, 200, path)
    assert.match(answer.headers.get('content-type') ?? '', new RegExp(type), path)
    assert.ok((await answer.arrayBuffer()).byteLength > 0, path)
  }
  assert.equal((await fetch(new URL('/api/live', origin))).status, 401)
}

staged(
  'a double-click opens the page, in a window of its own; Ctrl-C there ends it',
  async stage => {
    const screen = new Process(programPath('Xvfb'), ['-displayfd', '1', '-nolisten', 'tcp'])
    stage.defer(() => screen.stop())
    const [, number] = await screen.says(/^(\d+)$/m)
    const seen = { ...env, DISPLAY: `:${number}` }
    // In place of a browser, a script that writes down which link it is to open.
    const opened = join(base, 'opened')
    const browser = join(base, 'browser')
    writeFileSync(browser, `#!/bin/sh\necho "$1" >'${opened}.new' && mv '${opened}.new' '${opened}'\n`, {
      mode: 0o755
    })
    await succeeds('reg', 'add', 'HKCU\\Software\\Wine\\WineBrowser', '/v', 'Browsers', '/d', browser, '/f')
    // Wine looks for a screen when its first program starts.
    await runProgram(WINESERVER, ['-k'], { env })
    // Where things are downloaded to: there are no options.
    const downloads = join(prefix, 'drive_c', 'Dl ゲーム')
    mkdirSync(downloads)
    copyFileSync(exe, join(downloads, 'hyper-nat.exe'))
    const [command, ...args] = WINE
    await runProgram(command, [...args, 'start', 'hyper-nat.exe'], { env: seen, cwd: downloads, ms: 120_000 })
    await until(60_000, 'a link for the browser', () => existsSync(opened))
    const { origin, hash } = new URL(readFileSync(opened, 'utf8').trim())
    assert.match(hash, /^#code=[\w-]{20,}$/)
    assert.equal((await fetch(origin)).status, 200)
    // The page is served and the window is there at about the same time.
    await runProgram(programPath('xdotool'), ['search', '--sync', '--name', '^hyper-nat$', 'windowfocus'], {
      env: seen
    })
    await runProgram(programPath('xdotool'), ['key', 'ctrl+c'], { env: seen })
    await until(20_000, 'the end of the page', () =>
      fetch(origin).then(
        () => false,
        () => true
      )
    )
    const settings = join(
      prefix,
      'drive_c',
      'users',
      userInfo().username,
      'AppData',
      'Roaming',
      'hyper-nat',
      'Config'
    )
    assert.ok(existsSync(settings))
    assert.deepEqual(readdirSync(downloads), ['hyper-nat.exe'])
    assert.equal((await wine(exe, 'status')).code, 1)
  },
  { skip: reason || missing('Xvfb', 'xdotool'), timeout: 300_000 }
)

test('an identity is kept; faults end with 2; addons are in LOCALAPPDATA', {
  skip: reason,
  timeout: 300_000
}, async () => {
  const identity = await succeeds(exe, 'id')
  assert.match(identity, /^\w{43,44}\n$/)
  assert.equal(await succeeds(exe, 'id'), identity)
  const faulty = await wine(exe, 'server', '-p', '0')
  assert.equal(faulty.code, 2)
  const local = join(prefix, 'drive_c', 'users', userInfo().username, 'AppData', 'Local')
  const cached = readdirSync(join(local, 'hyper-nat', 'Cache'), { recursive: true }).map(String)
  assert.ok(
    cached.some(name => /^addons-[0-9a-f]{16}.+\.node$/.test(name)),
    cached.join('\n')
  )
})

test('the installer puts it into PATH whatever is in there, and the uninstaller takes it out again', {
  skip: reason || missing('makensis'),
  timeout: 390_000
}, async () => {
  // Longer than a string of NSIS, which has 1024 characters.
  const path = Array.from({ length: 60 }, (_, index) => `C:\\Werkzeuge für später\\Nummer ${index}`).join(';')
  await succeeds('reg', 'add', 'HKCU\\Environment', '/v', 'Path', '/t', 'REG_EXPAND_SZ', '/d', path, '/f')
  await succeeds(setup, '/S')
  const installed = join(
    prefix,
    'drive_c',
    'users',
    userInfo().username,
    'AppData',
    'Local',
    'Programs',
    'hyper-nat'
  )
  const inWindows = `C:\\users\\${userInfo().username}\\AppData\\Local\\Programs\\hyper-nat`
  assert.deepEqual(readFileSync(join(installed, 'hyper-nat.exe')), readFileSync(exe))
  assert.equal(await pathInRegistry(), `${path};${inWindows}`)
  // Again, as for an update: PATH has it once.
  await succeeds(setup, '/S')
  assert.equal(await pathInRegistry(), `${path};${inWindows}`)
  const uninstall = 'HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\hyper-nat'
  assert.match(await succeeds('reg', 'query', uninstall, '/v', 'DisplayVersion'), new RegExp(version))
  // With _? it does not go on in a copy of itself, which nobody could wait for.
  await succeeds(join(installed, 'uninstall.exe'), '/S', `_?=${inWindows}`)
  assert.equal(await pathInRegistry(), path)
  assert.equal(existsSync(join(installed, 'hyper-nat.exe')), false)
  assert.notEqual((await wine('reg', 'query', uninstall)).code, 0)
})

/** The user's PATH, in the words of Windows. */
async function pathInRegistry(): Promise<string> {
  const file = join(base, 'path.reg')
  await succeeds('regedit', '/E', `Z:${file.replaceAll('/', '\\')}`, 'HKEY_CURRENT_USER\\Environment')
  const text = readFileSync(file, 'utf16le')
  const [, bytes = ''] = /^"Path"=hex\(2\):([^"]*?)\r\n(?:"|\r\n|$)/ms.exec(text) ?? []
  const numbers = bytes
    .replace(/[\\\s]/g, '')
    .split(',')
    .filter(Boolean)
    .map(hex => Number.parseInt(hex, 16))
  return Buffer.from(numbers).toString('utf16le').replace(/\0$/, '')
}
