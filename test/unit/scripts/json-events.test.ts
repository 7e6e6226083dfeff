// docs/json.md names each event that hyper-nat writes with --json, and each of its fields: as the compiler sees them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  isIdentifier,
  isObjectLiteralExpression,
  isPropertyAssignment,
  isStringLiteral,
  isTypeAliasDeclaration,
  type Node
} from 'typescript/unstable/ast'
import { API, type Type } from 'typescript/unstable/sync'
import { root } from '../root.js'

/** Of an event: its own fields; and all names and texts that are anywhere in its type. */
interface Shape {
  readonly fields: Set<string>
  readonly words: Set<string>
}

/** How far into a type names are looked for. */
const DEPTH = 8

const api = new API({ cwd: root })
const project = api.updateSnapshot({ openProject: join(root, 'tsconfig.json') }).getProjects()[0]!
const { checker, program } = project

function propertiesOf(type: Type): readonly { readonly name: string; readonly type: Type | undefined }[] {
  return checker
    .getPropertiesOfType(type)
    .map(symbol => ({ name: symbol.name, type: checker.getTypeOfSymbol(symbol) }))
}

function partsOf(type: Type): readonly Type[] {
  return type.isUnionType() ? type.getTypes() : [type]
}

/** Everything that is called something in a type. */
function collect(type: Type | undefined, words: Set<string>, depth = DEPTH): void {
  if (!type || depth === 0) return
  if (type.isStringLiteralType()) words.add(type.value)
  if (type.isUnionType() || type.isIntersectionType()) {
    for (const part of type.getTypes()) collect(part, words, depth - 1)
  }
  if (!type.isObjectType() && !type.isIntersectionType()) return
  const [element] = checker.getIndexInfosOfType(type)
  if (element) return collect(element.valueType, words, depth - 1)
  for (const property of propertiesOf(type)) {
    words.add(property.name)
    collect(property.type, words, depth - 1)
  }
}

const shapes = new Map<string, Shape>()

function note(event: string, type: Type): void {
  const shape = shapes.get(event) ?? { fields: new Set(), words: new Set() }
  shapes.set(event, shape)
  for (const part of partsOf(type)) for (const { name } of propertiesOf(part)) shape.fields.add(name)
  collect(type, shape.words)
}

/** The events of a union. */
function noteAll(type: Type): void {
  for (const part of partsOf(type)) {
    const names = propertiesOf(part).find(({ name }) => name === 'event')?.type
    for (const literal of names ? partsOf(names) : []) {
      if (literal.isStringLiteralType()) note(literal.value, part)
    }
  }
}

/** Objects that are written as JSON lines: those that say which event they are. */
function visit(node: Node): void {
  const event = isObjectLiteralExpression(node)
    ? node.properties.map(eventName).find(name => name !== undefined)
    : undefined
  const type = event === undefined ? undefined : checker.getTypeAtLocation(node)
  if (event !== undefined && type) {
    note(event, type)
    // The type of a text is `string` where nothing says otherwise.
    node.forEachChild(property => {
      if (isPropertyAssignment(property) && isStringLiteral(property.initializer)) {
        shapes.get(event)!.words.add(property.initializer.text)
      }
    })
  }
  node.forEachChild(visit)
}

function eventName(property: Node): string | undefined {
  const isEvent =
    isPropertyAssignment(property) && isIdentifier(property.name) && property.name.text === 'event'
  return isEvent && isStringLiteral(property.initializer) ? property.initializer.text : undefined
}

for (const name of program.getSourceFileNames()) {
  if (!/\/src\/(cli\/[^/]+|events)\.ts$/.test(name)) continue
  const source = program.getSourceFile(name)!
  visit(source)
  for (const statement of source.statements) {
    if (!isTypeAliasDeclaration(statement) || !/^(Daemon|Service)Event$/.test(statement.name.text)) continue
    const type = checker.getTypeAtLocation(statement)
    if (type) noteAll(type)
  }
}

api.close()

/** The rows of the tables: which events, and what is said of their fields. */
const rows = readFileSync(join(root, 'docs/json.md'), 'utf8')
  .split('\n')
  .flatMap(line => {
    const [, events = '', , fields] = line.split(/(?<!\\)\|/)
    return fields === undefined || !/^ `/.test(events) ? [] : [{ events: codes(events), fields }]
  })

function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}

test('every event is in docs/json.md, and no other', () => {
  assert.ok(shapes.size > 25, `${[...shapes.keys()]}`)
  const documented = rows.flatMap(({ events }) => events)
  assert.deepEqual(
    [...new Set(documented)].filter(name => name !== 'event').sort(),
    [...shapes.keys()].sort()
  )
})

test('every field of an event is in its row, and what a row names is in the event', () => {
  const faults = [...shapes].flatMap(([event, { fields, words }]) => {
    const own = rows.filter(({ events }) => events.includes(event))
    const told = own.map(row => row.fields).join(' ')
    // A game's recipe is documented beside the recipes.
    if (event === 'game') return []
    const named = codes(told)
    // Rows of two events name the fields of both.
    const all = new Set([
      ...words,
      ...own.flatMap(row => row.events.flatMap(one => [...(shapes.get(one)?.words ?? [])]))
    ])
    return [
      ...[...fields]
        .filter(field => field !== 'event' && !named.includes(field))
        .map(field => `${event}: ${field} is missing`),
      ...named
        .filter(name => /^[a-z]\w*$/i.test(name) && !all.has(name) && name !== name.toUpperCase())
        .map(name => `${event}: has no ${name}`)
    ]
  })
  assert.deepEqual(faults, [])
})
