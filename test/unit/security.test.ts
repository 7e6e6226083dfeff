/** docs/security.md claims nothing without a test: each row of its tables names one, and each that is named exists. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './root.js'

const lines = readFileSync(join(root, 'docs', 'security.md'), 'utf8').split('\n')

/** Rows of all tables, without their heads. */
const rows = lines
  .map((text, index) => ({ text, line: index + 1 }))
  .filter(({ text, line }) => text.startsWith('|') && lines[line]?.startsWith('| ---') === false)
  .filter(({ text }) => !text.startsWith('| ---'))

function testsOf(row: string): { file: string; title: string }[] {
  const column = row
    .replace(/\s*\|\s*$/, '')
    .split(' | ')
    .at(-1)!
  return [...column.matchAll(/`(test\/[\w./-]+\.test\.ts)` "([^"]+)"/g)].map(([, file = '', title = '']) => ({
    file,
    title
  }))
}

/** The titles of a file's tests, as they stand in the source. */
function titlesOf(file: string): Set<string> {
  const source = readFileSync(join(root, file), 'utf8')
  const titles = new Set<string>()
  for (const [, quote, title = ''] of source.matchAll(/\b(?:test|staged)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g)) {
    titles.add(quote === '`' ? title : title.replace(/\\(.)/g, '$1'))
  }
  return titles
}

test('the tables of docs/security.md are read', () => {
  assert.ok(rows.length >= 50, `${rows.length} rows`)
  const heads = lines.filter((text, i) => text.startsWith('|') && lines[i + 1]?.startsWith('| ---'))
  assert.ok(heads.length >= 11)
  for (const head of heads) assert.match(head, /\| test \|$/)
})

for (const { text, line } of rows) {
  test(`docs/security.md, line ${line}, names tests that exist`, () => {
    const named = testsOf(text)
    assert.ok(named.length > 0, `no test beside: ${text}`)
    for (const { file, title } of named) {
      assert.ok(existsSync(join(root, file)), `there is no ${file}`)
      assert.ok(titlesOf(file).has(title), `${file} has no test "${title}"`)
    }
  })
}

test('a test that is gone is noticed', () => {
  assert.ok(titlesOf('test/unit/security.test.ts').has('a test that is gone is noticed'))
  assert.ok(!titlesOf('test/unit/security.test.ts').has('a test that is'))
  assert.deepEqual(testsOf('| a | `test/a.test.ts` "b", `test/c.test.ts` "d" |'), [
    { file: 'test/a.test.ts', title: 'b' },
    { file: 'test/c.test.ts', title: 'd' }
  ])
  assert.deepEqual(testsOf('| a | b |'), [])
})
