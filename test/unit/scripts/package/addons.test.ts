import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Addons, cacheOf, isSafe, type Machine } from '../../../../scripts/package/inside/addons.js'

const BYTES = Buffer.from('a library')
const HASH = '0123456789abcdef'
const NOW = Date.UTC(2026, 0, 1)
const DAY_MS = 24 * 60 * 60 * 1000

const posixOnly = process.platform === 'win32' ? 'permission bits are of Unix' : false
/** Root may write everywhere. */
const notRoot = process.getuid?.() === 0 ? 'root is kept from nothing' : posixOnly

interface Setting {
  readonly machine: Machine
  readonly base: string
  readonly folder: string
  readonly opened: string[]
  addons(refuse?: (path: string) => boolean): Addons
}

function setting(t: TestContext, more: Partial<Machine> = {}): Setting {
  const root = mkdtempSync(join(tmpdir(), 'hyper-nat-addons-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const home = join(root, 'home')
  const temporary = join(root, 'tmp')
  for (const folder of [home, temporary]) mkdirSync(folder, { mode: 0o700 })
  const machine: Machine = {
    platform: 'linux',
    env: {},
    home,
    tmpdir: temporary,
    uid: process.getuid?.() ?? -1,
    ...more
  }
  const base = join(home, '.cache', 'hyper-nat')
  const opened: string[] = []
  return {
    machine,
    base,
    folder: join(base, `addons-${HASH}`),
    opened,
    addons: (refuse = () => false) =>
      new Addons({
        hash: HASH,
        read: () => BYTES,
        open(path) {
          if (refuse(path)) throw new Error('failed to map segment from shared object')
          assert.deepEqual(readFileSync(path), BYTES)
          opened.push(path)
          return path
        },
        machine,
        now: () => NOW
      })
  }
}

test('an addon is written to the cache once and loaded from there', t => {
  const { folder, opened, addons } = setting(t)
  assert.equal(addons().load('x'), join(folder, 'x.node'))
  const { mtimeMs, ino } = statSync(join(folder, 'x.node'))
  const again = addons()
  again.load('x')
  again.load('x')
  assert.deepEqual(opened, [join(folder, 'x.node'), join(folder, 'x.node')])
  const now = statSync(join(folder, 'x.node'))
  assert.deepEqual([now.mtimeMs, now.ino], [mtimeMs, ino])
  assert.deepEqual(readdirSync(folder), ['x.node'])
  if (!posixOnly) assert.equal(statSync(folder).mode & 0o777, 0o700)
})

for (const [what, damage] of [
  ['shortened', (path: string) => writeFileSync(path, 'a lib')],
  ['changed', (path: string) => writeFileSync(path, 'a libtary')],
  ['emptied', (path: string) => writeFileSync(path, '')],
  ['removed', (path: string) => rmSync(path)],
  [
    'a link to something else',
    (path: string) => {
      rmSync(path)
      writeFileSync(`${path}.elsewhere`, BYTES)
      symlinkSync(`${path}.elsewhere`, path)
    }
  ]
] as const) {
  test(`a library that is ${what} is written again`, { skip: posixOnly }, t => {
    const { folder, addons } = setting(t)
    addons().load('x')
    const path = join(folder, 'x.node')
    damage(path)
    assert.equal(addons().load('x'), path)
    assert.deepEqual(readFileSync(path), BYTES)
  })
}

test('a library that the cache does not let load is loaded from elsewhere, and leaves nothing there', t => {
  const { base, machine, opened, addons } = setting(t)
  addons(path => path.startsWith(base)).load('x')
  assert.equal(dirname(dirname(opened[0]!)), machine.tmpdir)
  assert.deepEqual(readdirSync(machine.tmpdir), [])
})

test('without any place that lets load, the error of the last one is thrown', t => {
  const { addons } = setting(t)
  assert.throws(() => addons(() => true).load('x'), /failed to map segment/)
})

test('a home that is missing or no folder is done without', t => {
  const { machine, addons } = setting(t)
  rmSync(machine.home, { recursive: true })
  writeFileSync(machine.home, 'a file')
  addons().load('x')
  assert.deepEqual(readdirSync(machine.tmpdir), [])
  for (const home of ['', 'not/absolute']) assert.equal(cacheOf({ ...machine, home }), null)
})

test('a home without write permission is done without', { skip: notRoot }, t => {
  const { machine, opened, addons } = setting(t)
  chmodSync(machine.home, 0o500)
  t.after(() => chmodSync(machine.home, 0o700))
  addons().load('x')
  assert.equal(dirname(dirname(opened[0]!)), machine.tmpdir)
})

test('a cache that others can write to is not used', { skip: posixOnly }, t => {
  for (const spoil of [
    ({ folder }: Setting) => chmodSync(folder, 0o770),
    ({ folder }: Setting) => chmodSync(folder, 0o707),
    // Its name would lead to another folder tomorrow.
    ({ machine }: Setting) => chmodSync(machine.home, 0o777)
  ]) {
    const one = setting(t)
    one.addons().load('x')
    spoil(one)
    one.addons().load('x')
    assert.equal(dirname(dirname(one.opened[1]!)), one.machine.tmpdir)
  }
})

test('a folder of another user is not used, nor a link', { skip: posixOnly }, t => {
  const { machine, folder, addons } = setting(t)
  addons().load('x')
  assert.equal(isSafe(folder, machine), true)
  assert.equal(isSafe(folder, { ...machine, uid: machine.uid + 1 }), false)
  const link = `${folder}-link`
  symlinkSync(folder, link)
  assert.equal(isSafe(link, machine), false)
})

test('the sticky bit of a folder above makes up for its permissions', { skip: posixOnly }, t => {
  const { machine, folder, addons } = setting(t)
  addons().load('x')
  chmodSync(machine.home, 0o1777)
  assert.equal(isSafe(folder, machine), true)
})

test('folders of versions that are not used any more are removed', t => {
  const { base, folder, addons } = setting(t)
  const made = (name: string, daysAgo: number): string => {
    const path = join(base, name)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'x.node'), 'old')
    utimesSync(path, NOW / 1000, (NOW - daysAgo * DAY_MS) / 1000)
    return path
  }
  const old = made('addons-aaaaaaaaaaaaaaaa', 31)
  const recent = made('addons-bbbbbbbbbbbbbbbb', 29)
  const foreign = made('something-else', 400)
  const left = made('.old-addons-cccccccccccccccc-1', 0)
  addons().load('x')
  assert.deepEqual([old, recent, foreign, left, folder].map(existsSync), [false, true, true, false, true])
})

test('a version in use renews its folder, so that others do not remove it', t => {
  const { folder, addons } = setting(t)
  addons().load('x')
  utimesSync(folder, NOW / 1000, (NOW - 40 * DAY_MS) / 1000)
  addons().load('x')
  assert.equal(statSync(folder).mtimeMs, NOW)
})

test('where caches are', t => {
  const { machine } = setting(t)
  const of = (more: Partial<Machine>): string | null => cacheOf({ ...machine, home: '/home/anna', ...more })
  assert.equal(of({}), '/home/anna/.cache/hyper-nat')
  assert.equal(of({ env: { XDG_CACHE_HOME: '/var/cache/anna' } }), '/var/cache/anna/hyper-nat')
  assert.equal(of({ env: { XDG_CACHE_HOME: 'relative' } }), '/home/anna/.cache/hyper-nat')
  assert.equal(of({ platform: 'darwin' }), '/home/anna/Library/Caches/hyper-nat')
  assert.equal(of({ platform: 'win32', env: { LOCALAPPDATA: '/c/local' } }), '/c/local/hyper-nat/Cache')
  assert.equal(of({ platform: 'win32' }), '/home/anna/AppData/Local/hyper-nat/Cache')
})
