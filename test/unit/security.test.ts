/**
 * docs/security.md claims nothing without a test: it consists of tables, each row of which names one, and each that is named
 * exists. What has none is gathered in the last section, each with why.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './root.js'

/** The title of the one section without tests. */
const UNTESTED = 'What no test can show'

/** What may stand before the table of a section: whom or what it is about. */
const INTRODUCTION_LINES = 1

interface Row {
  readonly text: string
  /** From 1. */
  readonly line: number
}

interface Section {
  readonly title: string
  readonly line: number
  /** Before the table. */
  readonly introduction: readonly string[]
  /** The first line of the table; empty without one. */
  readonly head: string
  readonly rows: readonly Row[]
  /** All behind the table. */
  readonly rest: readonly Row[]
}

const document = readFileSync(join(root, 'docs', 'security.md'), 'utf8')

function sectionsOf(text: string): Section[] {
  const lines = text.split('\n').map((content, index) => ({ text: content, line: index + 1 }))
  const starts = lines.flatMap(({ text: content }, index) => (content.startsWith('#') ? [index] : []))
  return starts.map((start, i) => {
    const [title, ...body] = lines.slice(start, starts[i + 1]).filter(({ text: content }) => content.trim())
    const table = body.findIndex(({ text: content }) => content.startsWith('|'))
    const behind = table < 0 ? body.length : table
    const end = body.findIndex(({ text: content }, n) => n > behind && !content.startsWith('|'))
    const [head, rule, ...rows] = body.slice(behind, end < 0 ? body.length : end)
    return {
      title: title!.text.replace(/^#+ /, ''),
      line: title!.line,
      introduction: body.slice(0, behind).map(({ text: content }) => content),
      head: head?.text ?? '',
      rows: rule?.text.startsWith('| ---') ? rows : [],
      rest: end < 0 ? [] : body.slice(end)
    }
  })
}

/** The columns of a row; a `|` that is meant as such has a backslash before it. */
function columnsOf(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map(column => column.trim())
}

function testsOf(row: string): { file: string; title: string }[] {
  const column = columnsOf(row).at(-1) ?? ''
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

/** What is wrong with a page of claims, each with its place; without looking whether the tests exist. */
function faultsOf(text: string): string[] {
  const [preface, ...sections] = sectionsOf(text)
  const faults: string[] = []
  if (preface?.head !== '' || preface.introduction.length > 3)
    faults.push('line 1: the preface is for where to look')
  for (const { title, line, introduction, head, rows, rest } of sections) {
    const isClaims = title !== UNTESTED
    const fault = (at: number, what: string): unknown => faults.push(`line ${at}: ${what}`)
    if (rows.length === 0) fault(line, 'a section without a table')
    if (introduction.length > (isClaims ? INTRODUCTION_LINES : 0)) fault(line, 'prose before the table')
    for (const one of rest) fault(one.line, 'prose behind the table')
    if (isClaims !== (columnsOf(head).at(-1) === 'test')) fault(line, 'the last column is for tests')
    for (const row of rows) {
      const columns = columnsOf(row.text)
      if (columns.length !== columnsOf(head).length || columns.includes('')) fault(row.line, 'an empty place')
      if (isClaims && testsOf(row.text).length === 0) fault(row.line, 'a claim without a test')
    }
  }
  if (sections.at(-1)?.title !== UNTESTED) faults.push(`the last section is not "${UNTESTED}"`)
  return faults
}

test('docs/security.md is tables of claims with a test for each, and of what no test can show', () => {
  assert.deepEqual(faultsOf(document), [])
})

const claims = sectionsOf(document).filter(({ title }) => title !== UNTESTED)

test('the tables of docs/security.md are read', () => {
  assert.ok(claims.length >= 12, `${claims.length} sections`)
  const rows = claims.flatMap(section => section.rows)
  assert.ok(rows.length >= 70, `${rows.length} rows`)
})

for (const { text, line } of claims.flatMap(section => section.rows)) {
  test(`docs/security.md, line ${line}, names tests that exist`, () => {
    for (const { file, title } of testsOf(text)) {
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
  assert.deepEqual(testsOf('| a \\| `test/a.test.ts` "b" | c |'), [])
})

const TABLE = '| claim | test |\n| --- | --- |\n| a | `test/a.test.ts` "b" |\n'
const END = `## ${UNTESTED}\n\n| to know | why |\n| --- | --- |\n| a | b |\n`

const FAULTY: readonly [string, string, string[]][] = [
  ['nothing', `# Safe\n\nSee there.\n\n## A\n\nThis one.\n\n${TABLE}\n${END}`, []],
  [
    'a paragraph behind a table',
    `# Safe\n\n## A\n\n${TABLE}\nMore.\n\n${END}`,
    ['line 9: prose behind the table']
  ],
  [
    'a list and a table behind a table',
    `# Safe\n\n## A\n\n${TABLE}\n- more\n\n${TABLE}\n${END}`,
    [9, 11, 12, 13].map(line => `line ${line}: prose behind the table`)
  ],
  [
    'much before a table',
    `# Safe\n\n## A\n\nIt is.\n\nAlso.\n\n${TABLE}\n${END}`,
    ['line 3: prose before the table']
  ],
  [
    'prose without a table',
    `# Safe\n\n## A\n\nIt is.\n\n${END}`,
    ['line 3: a section without a table', 'line 3: the last column is for tests']
  ],
  [
    'a claim without a test',
    `# Safe\n\n## A\n\n${TABLE}| c | none |\n\n${END}`,
    ['line 8: a claim without a test']
  ],
  [
    'a claim without a place for one',
    `# Safe\n\n## A\n\n${TABLE}| c |\n\n${END}`,
    ['line 8: an empty place', 'line 8: a claim without a test']
  ],
  ['no reason', `# Safe\n\n## A\n\n${TABLE}\n${END}| c | |\n`, ['line 14: an empty place']],
  [
    'claims in the preface',
    `# Safe\n\na\n\nb\n\nc\n\nd\n\n## A\n\n${TABLE}\n${END}`,
    ['line 1: the preface is for where to look']
  ],
  ['claims behind the end', `# Safe\n\n${END}\n## A\n\n${TABLE}`, [`the last section is not "${UNTESTED}"`]]
]

for (const [what, text, faults] of FAULTY) {
  test(`a page of claims with ${what}`, () => assert.deepEqual(faultsOf(text), faults))
}
