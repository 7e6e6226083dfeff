import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../root.js'

const groups = pathToFileURL(join(root, 'scripts', 'test-groups.mjs')).href

/** Runs groups of an empty project on a system that has none of the programs. */
function runGroups(t: { after(fn: () => void): void }, names: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-groups-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const words = [folder, names, 'plan9 mips'].map(word => JSON.stringify(word)).join()
  const code = `import { runGroups } from ${JSON.stringify(groups)}; process.exit(await runGroups(${words}))`
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
}

test('a group that is named and cannot run here is a failure', t => {
  const { status, stdout } = runGroups(t, ['packages'])
  assert.equal(status, 1)
  assert.match(stdout, /FAILED {2}packages .*\n.*it runs on linux x64 only, this is plan9 mips/)
  assert.doesNotMatch(stdout, /All tests passed/)
})

test('a group that is named and has no folder is a failure', t => {
  const { status, stdout } = runGroups(t, ['natlab'])
  assert.equal(status, 1)
  assert.match(stdout, /test\/natlab is missing/)
})

test('npm test refuses flags that it does not know, before it does anything', () => {
  const script = join(root, 'scripts', 'run.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, 'test', '--quik'], {
    encoding: 'utf8'
  })
  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /Unknown flag: --quik/)
})
