import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { userFolders } from '../../src/user-folders.js'
import { missing } from '../support/programs.js'

test('each system has its folders, and XDG_*_HOME moves those of Linux', {
  skip: process.platform === 'win32' && 'paths have other separators'
}, () => {
  const home = '/home/a'
  assert.deepEqual(userFolders({ platform: 'linux', env: {}, home }), {
    config: '/home/a/.config/hyper-nat',
    data: '/home/a/.local/share/hyper-nat',
    cache: '/home/a/.cache/hyper-nat'
  })
  const env = { XDG_CONFIG_HOME: '/c', XDG_DATA_HOME: '/d', XDG_CACHE_HOME: '' }
  assert.deepEqual(userFolders({ platform: 'linux', env, home }), {
    config: '/c/hyper-nat',
    data: '/d/hyper-nat',
    cache: '/home/a/.cache/hyper-nat'
  })
  assert.deepEqual(userFolders({ platform: 'darwin', env, home }), {
    config: '/home/a/Library/Preferences/hyper-nat',
    data: '/home/a/Library/Application Support/hyper-nat',
    cache: '/home/a/Library/Caches/hyper-nat'
  })
  assert.deepEqual(
    userFolders({ platform: 'win32', env: { APPDATA: '/roaming', LOCALAPPDATA: '/local' }, home }),
    {
      config: '/roaming/hyper-nat/Config',
      data: '/local/hyper-nat/Data',
      cache: '/local/hyper-nat/Cache'
    }
  )
})

test('a user without a name and without HOME can use it', {
  skip: missing('setpriv') || (process.getuid?.() !== 0 && 'playing another user takes root')
}, () => {
  // Without this process's own folders, which other tests set.
  const env = { PATH: process.env.PATH }
  // That user may be unable to read this folder.
  const module = readFileSync(new URL('../../src/user-folders.js', import.meta.url))
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [...['--reuid', '54321', '--regid', '54321', '--clear-groups'], process.execPath, '--input-type=module'],
    { cwd: '/', env, encoding: 'utf8', input: `${module}\nconsole.log(userFolders().config)` }
  )
  assert.equal(stdout, '/.config/hyper-nat\n', stderr)
})
