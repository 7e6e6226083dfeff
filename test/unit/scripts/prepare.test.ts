import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../root.js'

/** A copy of the project as `npm ci --omit=dev` leaves it: installed, but without the compiler. */
function production(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-prepare-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['scripts', 'package.json', 'package-lock.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'node_modules', '.package-lock.json'), '{}')
  return folder
}

function prepare(folder: string): { status: number | null; err: string } {
  const { HYPER_NAT_TASK: _, ...env } = process.env
  const script = join(folder, 'scripts', 'run.mjs')
  const { status, stderr } = spawnSync(process.execPath, [script, 'prepare'], { env, encoding: 'utf8' })
  return { status, err: stderr }
}

test('without dev dependencies, prepare leaves a build alone', t => {
  const folder = production(t)
  const main = join(folder, 'dist', 'src', 'main.js')
  mkdirSync(join(folder, 'dist', 'src'), { recursive: true })
  writeFileSync(main, '')
  assert.equal(prepare(folder).status, 0)
  assert.ok(existsSync(main))
})

test('without dev dependencies and without a build, prepare says what is missing', t => {
  const { status, err } = prepare(production(t))
  assert.equal(status, 1)
  assert.match(err, /npm ci/)
})
