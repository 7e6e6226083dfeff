// A claim about safety is worth its test only if the test fails without the line that it is about. Each of these lines is broken in a
// copy of the build, and its test is run there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { transform } from 'esbuild'
import { BROKEN_LINES } from '../support/broken-lines.js'
import { root } from '../unit/root.js'

const TEST_MS = 60_000

const copy = mkdtempSync(join(tmpdir(), 'hn-broken-'))
after(() => rmSync(copy, { recursive: true, force: true }))
for (const name of readdirSync(root)) {
  if (!['dist', '.git'].includes(name)) symlinkSync(join(root, name), join(copy, name))
}
const built = ['src', ...['unit', 'sim', 'support'].map(group => `test/${group}`)]
for (const folder of built) {
  const filter = (path: string): boolean => !/\.(map|d\.ts)$/.test(path)
  cpSync(join(root, 'dist', folder), join(copy, 'dist', folder), { recursive: true, filter })
}

const document = readFileSync(join(root, 'docs', 'security.md'), 'utf8')

for (const {
  file,
  line,
  broken,
  test: [testFile, name]
} of BROKEN_LINES) {
  test(`${file}: ${line.trim()}`, { timeout: 2 * TEST_MS }, async () => {
    assert.ok(document.includes(`\`test/${testFile}\` "${name}"`), `docs/security.md names "${name}"`)
    const source = readFileSync(join(root, 'src', file), 'utf8')
    assert.equal(source.split(line).length, 2, 'the line stands in the file once')
    const { code } = await transform(
      source.replace(line, () => broken),
      { loader: 'ts', target: 'es2022', tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }
    )
    const module = join(copy, 'dist', 'src', file.replace(/\.ts$/, '.js'))
    const whole = readFileSync(module)
    try {
      writeFileSync(module, code)
      const output = await run(testFile.replace(/\.ts$/, '.js'), name)
      assert.match(output, new RegExp(`^not ok \\d+ - ${patternOf(name)}$`, 'm'))
      assert.doesNotMatch(output, /SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND/)
    } finally {
      writeFileSync(module, whole)
    }
  })
}

/** What a test of the copy reports, as TAP. */
function run(file: string, name: string): Promise<string> {
  const args = [
    '--test',
    '--test-reporter=tap',
    `--test-timeout=${TEST_MS}`,
    `--test-name-pattern=/^${patternOf(name)}$/`
  ]
  const { ...env } = process.env
  // Otherwise it would report to this test's own runner.
  delete env.NODE_TEST_CONTEXT
  // The line is broken in what the compiler made, not in what is installed.
  delete env.HYPER_NAT_TEST_INSTALLED
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [...args, join(copy, 'dist', 'test', file)],
      { cwd: copy, env },
      (_err, stdout, stderr) => resolve(stdout + stderr)
    )
  })
}

/** A test's name as its source has it, with parts that are filled in. */
function patternOf(name: string): string {
  return name
    .split(/\$\{[^}]*\}/)
    .map(part => part.replace(/[.*+?^$()[\]{}|\\/]/g, '\\$&'))
    .join('.*')
}
