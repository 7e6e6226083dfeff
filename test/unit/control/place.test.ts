import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { elsewhere } from '../../../src/cli/running.js'
import {
  addressesIn,
  addressOf,
  announce,
  clear,
  foldersOf,
  isSameFile,
  type Machine,
  otherFolders,
  prepare,
  thisMachine,
  withdraw
} from '../../../src/control/place.js'
import { codeOf } from '../../../src/errors.js'

const LINUX: Machine = { platform: 'linux', env: {}, uid: 1000, user: 'anna', tmpdir: '/tmp' }
const isWindows = process.platform === 'win32'

function paths(setting: string | undefined, machine: Partial<Machine>): string[] {
  return foldersOf(setting, { ...LINUX, ...machine }).map(({ path }) => path)
}

test('each system has its place', { skip: isWindows }, () => {
  assert.deepEqual(paths(undefined, {}), ['/tmp/hyper-nat-1000'])
  const env = { XDG_RUNTIME_DIR: '/run/user/1000' }
  assert.deepEqual(paths(undefined, { env }), ['/run/user/1000/hyper-nat', '/tmp/hyper-nat-1000'])
  assert.deepEqual(paths(undefined, { env: { XDG_RUNTIME_DIR: 'relative' } }), ['/tmp/hyper-nat-1000'])
  assert.deepEqual(paths(undefined, { uid: 0, env }), ['/run/hyper-nat'])
  assert.deepEqual(paths(undefined, { uid: 0, platform: 'darwin' }), ['/var/run/hyper-nat'])
  assert.deepEqual(paths('/srv/nat', { env }), ['/srv/nat'])
  assert.equal(addressOf({ path: '/srv/nat', ours: false }, 42, LINUX), '/srv/nat/42.sock')
})

test("another user's folder for sockets is not looked into", { skip: isWindows }, t => {
  const folder = mkdtempSync(join(tmpdir(), 'hn-place-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { uid } = statSync(folder)
  const env = { XDG_RUNTIME_DIR: folder }
  const tmp = (of: number): string => `/tmp/hyper-nat-${of}`
  if (uid !== 0) assert.deepEqual(paths(undefined, { env, uid }), [join(folder, 'hyper-nat'), tmp(uid)])
  assert.deepEqual(paths(undefined, { env, uid: uid + 1 }), [tmp(uid + 1)])
})

test('where nothing runs, other folders that have daemons are named', { skip: isWindows }, async t => {
  const others = (setting: string | false | undefined, machine: Partial<Machine>): string[] =>
    otherFolders(setting, { ...LINUX, ...machine }).map(({ path }) => path)
  assert.deepEqual(others(undefined, {}), ['/run/hyper-nat'])
  assert.deepEqual(others('/srv/nat', {}), ['/tmp/hyper-nat-1000', '/run/hyper-nat'])
  assert.deepEqual(others(false, { uid: 0 }), ['/run/hyper-nat'])
  assert.deepEqual(others('/run/hyper-nat', { uid: 0 }), [])
  assert.ok(others(undefined, { uid: 0, env: { SUDO_UID: '4711' } }).includes('/tmp/hyper-nat-4711'))

  const folder = mkdtempSync(join(tmpdir(), 'hn-place-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const machine: Machine = { ...LINUX, uid: 0, env: { SUDO_UID: '4711' }, tmpdir: folder }
  const usual = join(folder, 'hyper-nat-4711')
  assert.equal(await elsewhere(undefined, machine), '')
  mkdirSync(usual)
  assert.equal(await elsewhere(undefined, machine), '', 'nothing has run there since')
  writeFileSync(join(usual, '42.sock'), '')
  assert.equal(await elsewhere(undefined, machine), ` For those in ${usual}, add --control ${usual}.`)
})

test('a path that no socket can have becomes a short one, always the same', { skip: isWindows }, () => {
  const long = `/${'x'.repeat(88)}`
  const [path] = paths(long, {})
  assert.match(path!, /^\/tmp\/hyper-nat-1000-[0-9a-f]{16}$/)
  assert.deepEqual(paths(long, {}), [path])
  assert.notDeepEqual(paths(`${long}y`, {}), [path])
  // The longest that is taken as it is leaves room for any number.
  assert.deepEqual(paths(`/${'x'.repeat(86)}`, {}), [`/${'x'.repeat(86)}`])
})

test('pipes of Windows differ by user and folder', () => {
  const windows: Machine = { ...LINUX, platform: 'win32', uid: -1 }
  const of = (setting: string | undefined, machine: Machine): string =>
    addressOf(foldersOf(setting, machine)[0]!, 7, machine)
  assert.match(of(undefined, windows), /^\\\\\.\\pipe\\hyper-nat-[0-9a-f]{16}-7$/)
  const all = [of(undefined, windows), of('x', windows), of(undefined, { ...windows, user: 'ben' })]
  assert.equal(new Set(all).size, 3)
})

test('daemons of Windows are found by a file for each, as pipes cannot be listed everywhere', async t => {
  const base = mkdtempSync(join(tmpdir(), 'hn-place-'))
  t.after(() => rmSync(base, { recursive: true }))
  const machine: Machine = { ...LINUX, platform: 'win32', uid: -1, env: { LOCALAPPDATA: base } }
  const folder = foldersOf(undefined, machine)[0]!
  assert.deepEqual(await addressesIn(folder, machine), [])
  await prepare(folder, machine)
  writeFileSync(join(folder.path, 'something.else'), '')
  await announce(folder, 7, machine)
  await announce(folder, 8, machine)
  const addresses = [7, 8].map(pid => addressOf(folder, pid, machine))
  assert.deepEqual((await addressesIn(folder, machine)).sort(), addresses)
  withdraw(folder, 7, machine)
  assert.deepEqual(await addressesIn(folder, machine), [addresses[1]])
  await clear(addresses[1]!, folder, machine)
  assert.deepEqual(await addressesIn(folder, machine), [])
})

test('a folder of ours is for its owner only, or not used', { skip: isWindows }, async t => {
  const machine = thisMachine()
  const base = mkdtempSync(join(tmpdir(), 'hn-place-'))
  t.after(() => rmSync(base, { recursive: true }))
  const path = join(base, 'a', 'b')
  await prepare({ path, ours: true }, machine)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  await prepare({ path, ours: true }, machine)
  writeFileSync(join(path, '12.sock'), '')
  writeFileSync(join(path, 'other.sock'), '')
  assert.deepEqual(await addressesIn({ path, ours: true }, machine), [join(path, '12.sock')])
  const refused = (folder: string) =>
    assert.rejects(prepare({ path: folder, ours: true }, machine), err => codeOf(err) === 'CONTROL_FAILED')
  chmodSync(path, 0o750)
  await refused(path)
  assert.deepEqual(await addressesIn({ path, ours: true }, machine), [], 'others may have put it there')
  assert.equal((await addressesIn({ path, ours: false }, machine)).length, 1, 'who names a folder knows why')
  // A link leads where somebody else wants.
  mkdirSync(join(base, 'real'), { mode: 0o700 })
  symlinkSync(join(base, 'real'), join(base, 'link'))
  await refused(join(base, 'link'))
  // As private as can be, but another user's.
  chmodSync(path, 0o700)
  const other = { ...machine, uid: machine.uid + 1 }
  assert.deepEqual(await addressesIn({ path, ours: true }, other), [])
  await assert.rejects(prepare({ path, ours: true }, other), err => {
    return codeOf(err) === 'CONTROL_FAILED'
  })
  assert.deepEqual(await addressesIn({ path: join(base, 'none'), ours: true }, machine), [])
})

test('a folder in which nothing can be made is reported at once', {
  skip: process.platform !== 'linux'
}, async () => {
  await assert.rejects(prepare({ path: '/proc/hyper-nat', ours: false }, thisMachine()), {
    code: 'CONTROL_FAILED',
    message: /\/proc\/hyper-nat cannot be used \(no folder can be made there\)/
  })
})

test('on Windows, files are the same whatever the case of their letters', () => {
  const windows: Machine = { ...LINUX, platform: 'win32' }
  const file = 'C:\\Games\\options.json'
  assert.ok(isSameFile('c:\\games\\Options.json', file, windows))
  assert.ok(!isSameFile('D:\\Games\\options.json', file, windows))
  assert.ok(!isSameFile(null, file, windows))
  assert.ok(!isSameFile('/srv/Options.json', '/srv/options.json', LINUX))
})
