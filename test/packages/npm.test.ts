// The npm package, installed as a user does it.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { runProgram } from '../support/process.js'
import { missing, programPath } from '../support/programs.js'
import { root } from '../unit/root.js'
import { notHere, product, version } from './products.js'

interface Lock {
  packages: Record<string, { version?: string; dev?: boolean }>
}

test('npm installs it whole: command, manual, documents, and the versions that were tested', {
  skip: notHere,
  timeout: 390_000
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-npm-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  // npm works in the folder that it was started from, and takes its settings from where it is told.
  const env = { ...process.env, npm_config_prefix: folder, HOME: folder, HYPER_NAT_CONTROL: 'off' }
  const { code, stderr } = await runProgram(
    'npm',
    ['install', '--global', '--no-audit', product(`-${version}.tgz`)],
    {
      env,
      cwd: folder,
      ms: 300_000
    }
  )
  assert.equal(code, 0, stderr)
  assert.doesNotMatch(stderr, /warn/i, stderr)

  const command = join(folder, 'bin', 'hyper-nat')
  assert.equal((await runProgram(command, ['--version'], { env })).stdout.trim(), version)
  assert.match((await runProgram(command, ['id'], { env })).stdout, /^\w{43,44}\n$/)

  const installed = join(folder, 'lib', 'node_modules', 'hyper-nat')
  assert.deepEqual(
    readdirSync(join(installed, 'dist'), { recursive: true }).filter(name => String(name).endsWith('.map')),
    []
  )
  const readme = readFileSync(join(installed, 'README.md'), 'utf8')
  for (const [, target = ''] of readme.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
    if (/^[a-z]+:/.test(target) || target.endsWith('/config/examples')) continue
    assert.ok(readdirSync(join(installed, posix.dirname(target))).includes(posix.basename(target)), target)
  }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
  let checked = 0
  for (const [path, { version }] of Object.entries(lock.packages)) {
    const manifest = join(installed, path, 'package.json')
    if (path === '' || !existsSync(manifest)) continue
    assert.equal((JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version, version, path)
    checked++
  }
  assert.ok(checked > 50, `${checked} packages are installed`)

  const manual = join(folder, 'share', 'man')
  assert.ok(readdirSync(join(manual, 'man1')).includes('hyper-nat.1'))
  if (!missing('man')) {
    const shown = await runProgram(programPath('man'), ['-M', manual, 'hyper-nat'], {
      env: { ...env, MANPAGER: 'cat', MANWIDTH: '80' }
    })
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /SYNOPSIS/)
  }
})
