// The documents are current, complete, and lead somewhere.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { targets } from '../../../scripts/package/targets.js'
import { PAGES, referencePage } from '../../../scripts/reference.js'
import { groups } from '../../../src/cli/program.js'
import { root } from '../root.js'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Every file of a folder with an ending. */
function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map(name => `${folder}/${name}`.replaceAll('\\', '/'))
    .filter(name => name.endsWith(ending))
}

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...['docs', 'src'].flatMap(folder => filesIn(folder, '.md'))
]

for (const [path, make] of Object.entries(PAGES)) {
  test(`${path} is current`, () => {
    assert.equal(
      read(path),
      referencePage(read(path), make()),
      'build, then run: node dist/scripts/reference.js'
    )
  })
}

test('README fits on a few screens', () => {
  assert.ok(read('README.md').trimEnd().split('\n').length <= 170)
})

/** The anchors of a document, as its headings make them. */
function anchorsOf(path: string): Set<string> {
  const heads = read(path).matchAll(/^#+ (.*)$/gm)
  const anchor = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-')
  return new Set([...heads].map(([, text = '']) => anchor(text)))
}

for (const path of DOCUMENTS) {
  test(`every link in ${path} leads somewhere`, () => {
    let links = 0
    for (const [, target = '', anchor] of read(path).matchAll(
      /\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g
    )) {
      const file = target === '' ? path : join(dirname(path), target)
      assert.ok(existsSync(join(root, file)), `${target} is missing`)
      if (anchor !== undefined) assert.ok(anchorsOf(file).has(anchor), `${file} has no #${anchor}`)
      links++
    }
    if (path === 'README.md') assert.ok(links > 15)
  })
}

test('README names downloads that a release of this version has', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const stem = `hyper-nat-${version}`
  const downloads = targets.flatMap(target => {
    const name = `${stem}-${target.name}`
    if (target.system === 'windows') return [`${name}.exe`, `${name}.zip`, `${name}-setup.exe`]
    const deb = 'debian' in target ? [`hyper-nat_${version}_${target.debian}.deb`] : []
    return [name, `${name}.tar.gz`, ...deb]
  })
  const named = read('README.md').match(/\bhyper-nat[-_]\d[\w.-]*\w/g) ?? []
  for (const name of named) assert.ok([...downloads, `${stem}.tgz`].includes(name), name)
  assert.ok(named.length > 6)
})

test('docs/json.md has every event that is printed', () => {
  const page = read('docs/json.md')
  const sources = ['src/events.ts', ...filesIn('src/cli', '.ts')].map(read)
  const events = new Set(
    sources.flatMap(text => [...text.matchAll(/\bevent: '(\w+)'/g)].map(([, name = '']) => name))
  )
  assert.ok(events.size > 25)
  const documented = new Set(
    [...page.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].flatMap(([, names = '']) => names.match(/\w+/g) ?? [])
  )
  documented.delete('event')
  assert.deepEqual([...documented].sort(), [...events].sort())
})

test('every command that the documents show exists', () => {
  const names = new Set(groups.flatMap(({ commands }) => commands.map(({ name }) => name)))
  let shown = 0
  for (const path of DOCUMENTS) {
    const text = read(path)
    const code = [...text.matchAll(/^ *```sh\n(.*?)^ *```/gms), ...text.matchAll(/`([^`\n]+)`/g)]
    for (const [, word = ''] of code.flatMap(([, part = '']) => [
      ...part.matchAll(/^ *(?:sudo |npx )?hyper-nat ([a-z]+)\b/gm)
    ])) {
      assert.ok(names.has(word) || ['help', 'version'].includes(word), `${path}: hyper-nat ${word}`)
      shown++
    }
  }
  assert.ok(shown > 60)
})
