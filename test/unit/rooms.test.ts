import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'node:test'
import { root } from './root.js'

/** A file of `src`, by its path below it, and the files that it imports. */
type Imports = ReadonlyMap<string, readonly string[]>

const imports = readImports()
const { rows, pairs } = readMap()

test('every room of src is on the map in CONTRIBUTING.md, and the map names no other', () => {
  const rooms = new Set([...imports.keys()].map(roomOf))
  assert.deepEqual([...rooms].sort(), rows.flat().sort())
})

test('a room imports only from rooms below its own row, or by a pair that CONTRIBUTING.md names', () => {
  const height = new Map(rows.flatMap((row, i) => row.map(room => [room, rows.length - i])))
  const wrong = [...imports].flatMap(([file, targets]) =>
    targets
      .filter(target => {
        const [from, to] = [roomOf(file), roomOf(target)]
        return from !== to && height.get(from)! <= height.get(to)! && !pairs.has(`${from} -> ${to}`)
      })
      .map(target => `${file} -> ${target}`)
  )
  assert.deepEqual(wrong, [])
})

test('every pair that CONTRIBUTING.md names is used, within one row', () => {
  const used = new Set(
    [...imports].flatMap(([file, targets]) => targets.map(t => `${roomOf(file)} -> ${roomOf(t)}`))
  )
  for (const pair of pairs) {
    const [from, to] = pair.split(' -> ') as [string, string]
    assert.ok(used.has(pair), `${pair} is not used`)
    assert.ok(
      rows.some(row => row.includes(from) && row.includes(to)),
      `${pair} is not within one row`
    )
  }
})

test('no files import each other in a circle', () => {
  assert.deepEqual(circlesOf(imports), [])
})

test('a circle is found', () => {
  const circle = new Map([
    ['a.ts', ['b.ts']],
    ['b.ts', ['c.ts']],
    ['c.ts', ['a.ts']]
  ])
  assert.deepEqual(circlesOf(circle), ['a.ts -> b.ts -> c.ts -> a.ts'])
})

function roomOf(file: string): string {
  const slash = file.indexOf('/')
  return slash < 0 ? file.replace(/\.ts$/, '') : file.slice(0, slash)
}

/** The map in CONTRIBUTING.md: its rows from top to bottom, and the pairs within a row. */
function readMap(): { rows: string[][]; pairs: Set<string> } {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  const block = /```rooms\n([\s\S]*?)```/.exec(text)
  assert.ok(block, 'CONTRIBUTING.md has no block of rooms')
  const lines = block[1]!.trim().split('\n')
  return {
    rows: lines.filter(line => !line.includes('->')).map(line => line.trim().split(/\s+/)),
    pairs: new Set(lines.filter(line => line.includes('->')).map(line => line.trim()))
  }
}

function readImports(): Imports {
  const src = join(root, 'src')
  const files = readdirSync(src, { recursive: true })
    .map(name => String(name).replaceAll('\\', '/'))
    // The page is a program of its own, for browsers; types/ describes libraries.
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.startsWith('ui/page/'))
  return new Map(files.map(file => [file, importsOf(file, readFileSync(join(src, file), 'utf8'))]))
}

function importsOf(file: string, text: string): string[] {
  const found = [...text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
  return found.map(([, path]) => posix.join(dirname(file), path!).replace(/\.js$/, '.ts'))
}

function circlesOf(graph: Imports): string[] {
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file)
    if (at >= 0) return void circles.push([...trail.slice(at), file].join(' -> '))
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return circles
}
