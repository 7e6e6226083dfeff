import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../root.js'

const groups = pathToFileURL(join(root, 'scripts', 'test-groups.mjs')).href

/** Runs groups of a project with at most one test, on a system that has none of the programs. */
function runGroups(t: { after(fn: () => void): void }, names: readonly string[], fuzz?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-groups-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  if (fuzz !== undefined) {
    mkdirSync(join(folder, 'dist', 'test', 'fuzz'), { recursive: true })
    writeFileSync(join(folder, 'dist', 'test', 'fuzz', 'only.test.js'), fuzz)
  }
  const words = [folder, names, 'plan9 mips'].map(word => JSON.stringify(word)).join()
  const code = `import { runGroups } from ${JSON.stringify(groups)}; process.exit(await runGroups(${words}))`
  // Node's test runner, which sets it, runs no other inside.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', env })
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

test('the summary says which test failed, and why, however much it has to say', t => {
  const message = ['it ended with code 3', ...Array.from({ length: 100 }, (_, i) => `line ${i}`)].join('\n')
  const fuzz = `require('node:test').test('ends well', () => { throw new Error(${JSON.stringify(message)}) })`
  const { status, stdout } = runGroups(t, ['fuzz'], fuzz)
  assert.equal(status, 1)
  const summary = stdout.slice(stdout.indexOf('== summary =='))
  assert.match(summary, /ends well \(.*\n +it ended with code 3\n +line 0\n/)
  assert.match(summary, /line 99\n/)
  assert.doesNotMatch(summary, /line 50\n/)
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
