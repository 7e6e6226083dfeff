import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { userName } from '../../../src/util/user-name.js'
import { missing } from '../../support/programs.js'

test('a user is called what the system calls it', () => assert.equal(userName(), userInfo().username))

test('a user whom the system does not know has its number', {
  skip: missing('setpriv') || (process.getuid?.() !== 0 && 'playing another user takes root')
}, () => {
  // That user may be unable to read this folder.
  const module = readFileSync(new URL('../../../src/util/user-name.js', import.meta.url))
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [...['--reuid', '54321', '--regid', '54321', '--clear-groups'], process.execPath, '--input-type=module'],
    { cwd: '/', encoding: 'utf8', input: `${module}\nconsole.log(userName())` }
  )
  assert.equal(stdout, '54321\n', stderr)
})
