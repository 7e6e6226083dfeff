import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import fsp, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import extensions from 'fs-native-extensions'
import { OptionsError } from '../../../src/errors.js'
import {
  addEntries,
  addToList,
  removeFromList,
  saveEntries,
  saveIdentity
} from '../../../src/options/edit.js'
import { parseOptions } from '../../../src/options/file.js'
import { parseJson } from '../../../src/options/json.js'
import { locked, removeLeftovers } from '../../../src/options/lock.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-edit-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const POSIX = process.platform !== 'win32'

const KEY = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'

function entry(port: number): Record<string, unknown> {
  return { mode: 'client', proto: 'tcp', port, publicKey: KEY }
}

let files = 0
function write(text: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, `${files++}.json`)
  writeFileSync(path, text, { mode })
  return path
}

/** Only the locks and files that stay; what is temporary is gone. */
function names(): string[] {
  return readdirSync(folder).filter(name => !/^\d+\.json$/.test(name))
}

test('entries come to the end; comments, order and style stay', () => {
  const text = `// mine
{
    "network": { /* none */ },
    "schema": [
        // the first one
        {"mode": "client", "port": 1, "publicKey": "${KEY}"} // as it is
    ],
    "resume": 5 // last
}
`
  assert.equal(
    addEntries(text, [{ mode: 'client', port: 2, publicKey: KEY }]),
    text.replace(
      '"} // as it is\n',
      `"}, // as it is
        {
            "mode": "client",
            "port": 2,
            "publicKey": "${KEY}"
        }\n`
    )
  )
})

// [what, the text before]
const STYLES: [string, string][] = [
  ['an empty list', '{ "schema": [] }'],
  ['no list', '{ "resume": 5 }'],
  ['an empty object', '{}'],
  ['a trailing comma', `{\n  "schema": [\n    ${JSON.stringify(entry(1))},\n  ],\n}`],
  ['tabs', `{\n\t"schema": [\n\t\t${JSON.stringify(entry(1))}\n\t]\n}\n`],
  ['one line', `{"schema":[${JSON.stringify(entry(1))}]}`],
  ['the line ends of Windows', `{\r\n  "schema": [\r\n    ${JSON.stringify(entry(1))}\r\n  ]\r\n}\r\n`],
  [
    'a comment at the end of the list',
    `{\n  "schema": [\n    ${JSON.stringify(entry(1))}\n    // more to come\n  ]\n}`
  ]
]

for (const [what, text] of STYLES) {
  test(`adds to ${what}`, () => {
    const edited = addEntries(text, [entry(2), entry(3)])
    const before = text.includes('"port"') ? [1] : []
    assert.deepEqual(
      parseOptions(edited).entries.map(({ port }) => port),
      [...before, 2, 3],
      edited
    )
    for (const comment of text.match(/\/\/.*/g) ?? []) assert.ok(edited.includes(comment))
    if (text.includes('\r\n')) assert.doesNotMatch(edited, /[^\r]\n/)
    if (text.includes('\t')) assert.match(edited, /\n\t\t\{\n\t\t\t"mode"/)
  })
}

// Lists of 1, 2 and 3, one object each.
const LISTS = [
  '{"list":[{"n":1},{"n":2},{"n":3}]}',
  '{ "list": [ { "n": 1 }, { "n": 2 } , { "n": 3 }, ] }',
  '{\n  "list": [\n    { "n": 1 },\n    { "n": 2 }, // two\n    // three comes\n    { "n": 3 } // three\n  ]\n}\n',
  '{\r\n\t"list": [\r\n\t\t{\r\n\t\t\t"n": 1\r\n\t\t}, {\r\n\t\t\t"n": 2\r\n\t\t},\r\n\t\t{"n": 3},\r\n\t],\r\n\t"more": 1\r\n}',
  '{"list": [{"n": 1} /* a, b */ , /* c */ {"n": 2}\n, {"n": 3} // , ]\n]}'
]

for (const [i, text] of LISTS.entries()) {
  test(`takes any elements out of list ${i + 1}, and puts others in`, () => {
    const numbers = (edited: string): number[] =>
      (parseJson(edited) as { list: { n: number }[] }).list.map(({ n }) => n)
    for (const [index, rest] of [
      [2, 3],
      [1, 3],
      [1, 2]
    ].entries()) {
      const edited = removeFromList(text, ['list'], index)
      assert.deepEqual(numbers(edited), rest, edited)
      assert.deepEqual(numbers(removeFromList(edited, ['list'], 0)), rest.slice(1), edited)
      assert.deepEqual(numbers(removeFromList(edited, ['list'], 1)), rest.slice(0, 1), edited)
      const none = removeFromList(removeFromList(edited, ['list'], 1), ['list'], 0)
      assert.deepEqual(numbers(none), [], none)
      assert.deepEqual(
        numbers(addToList(addToList(none, [], 'list', { n: 4 }), [], 'list', { n: 5 })),
        [4, 5]
      )
      assert.equal(edited.includes('three comes'), text.includes('three comes'))
    }
  })
}

test('a list is made where there is none, and comments stay', () => {
  for (const object of [
    '{}',
    '{ "a": 1 }',
    '{"a": 1,}',
    '{\n  "a": 1, // one\n  "b": 2 // two\n}',
    '{ // nothing\n}'
  ]) {
    const edited = addToList(object, [], 'list', { n: 1 })
    const { list } = parseJson(edited) as { list: unknown }
    assert.equal(JSON.stringify(list), '[{"n":1}]', edited)
    for (const comment of object.match(/\/\/.*/g) ?? []) assert.ok(edited.includes(comment), edited)
  }
})

test('a file that is not there is made, for its owner only', async () => {
  const path = join(folder, `${files++}.json`)
  assert.equal(await saveEntries(path, [entry(1)]), 1)
  assert.equal(parseOptions(readFileSync(path, 'utf8')).entries.length, 1)
  if (POSIX) assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(names(), [])
})

test('what is there already is not added again, whatever the order of its keys', async () => {
  const path = write(JSON.stringify({ schema: [entry(1)] }))
  const { mode, ...rest } = entry(1)
  assert.equal(await saveEntries(path, [{ ...rest, mode }]), 0)
  assert.equal(await saveEntries(path, [entry(1), entry(2)]), 1)
  assert.equal(parseOptions(readFileSync(path, 'utf8')).entries.length, 2)
})

test('a file with faults stays as it is', async () => {
  for (const text of ['{ "schema": [', '{ "schema": [{}] }', '[]', '{ "schema": {} }']) {
    const path = write(text)
    await assert.rejects(saveEntries(path, [entry(1)]), OptionsError)
    assert.equal(readFileSync(path, 'utf8'), text)
  }
  assert.deepEqual(names(), [])
})

test('an entry that clashes with another is refused', async () => {
  const text = JSON.stringify({ schema: [{ ...entry(1), localPort: 2 }] })
  const path = write(text)
  await assert.rejects(saveEntries(path, [entry(2)]), /schema\[1\]\.localPort: takes local port 2/)
  assert.equal(readFileSync(path, 'utf8'), text)
})

test('encodings, byte order marks and modes stay', async () => {
  const text = '{ "schema": [] }'
  for (const bytes of [
    Buffer.from(`\ufeff${text}`),
    Buffer.from(`\ufeff${text}`, 'utf16le'),
    Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
  ]) {
    const path = write(bytes)
    if (POSIX) chmodSync(path, 0o640)
    await saveEntries(path, [entry(1)])
    const after = readFileSync(path)
    assert.deepEqual(after.subarray(0, 2), bytes.subarray(0, 2))
    assert.equal(await saveEntries(path, [entry(1)]), 0, 'it is read again')
    if (POSIX) assert.equal(statSync(path).mode & 0o777, 0o640)
  }
})

test('a link stays a link', { skip: POSIX ? false : 'links need rights on Windows' }, async () => {
  const path = write('{ "schema": [] }')
  const link = join(folder, `${files++}.json`)
  symlinkSync(path, link)
  await Promise.all([saveEntries(link, [entry(1)]), saveEntries(path, [entry(2)])])
  assert.equal(readFileSync(link, 'utf8'), readFileSync(path, 'utf8'))
  assert.equal(parseOptions(readFileSync(path, 'utf8')).entries.length, 2)
})

test('a folder that may not be written to', async () => {
  await assert.rejects(saveEntries(join(folder, 'nowhere', 'options.json'), [entry(1)]), {
    code: 'OPTIONS_UNREADABLE',
    message: /options\.json: there is no such folder$/
  })
})

test('many in one process lose nothing', async () => {
  const path = write('{ "schema": [] }')
  await Promise.all(Array.from({ length: 20 }, (_, i) => saveEntries(path, [entry(i + 1)])))
  assert.equal(parseOptions(readFileSync(path, 'utf8')).entries.length, 20)
  assert.deepEqual(names(), [])
})

test('several processes at once lose nothing', async () => {
  const path = write('// together\n{ "schema": [] }')
  const script = join(fileURLToPath(new URL('.', import.meta.url)), 'save-many.js')
  const children = [1, 2, 3].map(first => fork(script, [path, `${first * 100}`, '15', KEY]))
  const ends = await Promise.all(children.map(child => once(child, 'exit')))
  assert.deepEqual(
    ends.map(([code]) => code),
    [0, 0, 0]
  )
  const text = readFileSync(path, 'utf8')
  assert.equal(new Set(parseOptions(text).entries.map(({ port }) => port)).size, 45)
  assert.match(text, /^\/\/ together\n/)
  assert.deepEqual(names(), [])
})

test('a lock ends with its process', async () => {
  const path = write('{ "schema": [] }')
  const script = join(fileURLToPath(new URL('.', import.meta.url)), 'hold-lock.js')
  const child = fork(script, [path])
  const [message] = await once(child, 'message')
  assert.equal(message, 'locked')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await saveEntries(path, [entry(1)]), 1)
})

test('what a process that was killed has left is removed, and nothing else', async () => {
  for (const remove of [(path: string) => saveEntries(path, [entry(1)]), removeLeftovers]) {
    const path = write('{ "schema": [] }')
    // A copy of the owner's.
    writeFileSync(`${path}.2024`, 'kept')
    const script = join(fileURLToPath(new URL('.', import.meta.url)), 'die-writing.js')
    await once(fork(script, [path]), 'exit')
    assert.equal(readFileSync(`${path}.1234567`, 'utf8'), 'a secret')
    await remove(path)
    assert.ok(!existsSync(`${path}.1234567`))
    assert.ok(!existsSync(`${path}.lock`))
    assert.equal(readFileSync(`${path}.2024`, 'utf8'), 'kept')
  }
})

test('only temporary files of the file itself are removed, whatever a lock file says', async () => {
  const path = write('{ "schema": [] }')
  const other = write('{ "schema": [] }')
  writeFileSync(
    `${path}.lock`,
    `${basename(path)}\n../${basename(path)}.1\n${basename(other)}\n${basename(path)}.bak\n`
  )
  writeFileSync(`${path}.bak`, 'kept')
  await removeLeftovers(path)
  assert.ok([path, other, `${path}.bak`].every(one => existsSync(one)))
})

test('a lock on a file that was removed since it was opened is none', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hn-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'options.json')
  const name = `${realpathSync(folder)}/options.json.lock`
  const { open } = fsp
  t.after(() => {
    fsp.open = open
    syncBuiltinESMExports()
  })
  let held: FileHandle | null = null
  fsp.open = async (...args) => {
    const opened = await open(...args)
    if (args[0] === name && !held) {
      // The holder ends, and the next one makes a new file and locks it, before this one gets to its lock.
      unlinkSync(name)
      held = await open(name, 'a')
      assert.ok(extensions.tryLock(held.fd))
      setTimeout(() => void held!.close(), 100)
    }
    return opened
  }
  syncBuiltinESMExports()
  const started = performance.now()
  await locked(path, async () => {})
  assert.ok(held)
  assert.ok(performance.now() - started >= 99, 'two had the lock at once')
})

test('an error ends a lock', async () => {
  const path = write('{ "schema": [] }')
  await assert.rejects(
    locked(path, async () => {
      throw new Error('on purpose')
    }),
    /on purpose/
  )
  assert.equal(await locked(path, async () => 5), 5)
})

test('an identity file is named, relative to the options file, unless another one is', async () => {
  const path = write(
    '{\n  // mine\n  "schema": [{ "mode": "client", "port": 1, "publicKey": "KEY" }]\n}\n'.replace('KEY', KEY)
  )
  assert.equal(await saveIdentity(path, join(folder, 'keys', 'me.key')), true)
  const text = readFileSync(path, 'utf8')
  assert.equal((parseJson(text) as { identity: string }).identity, 'keys/me.key')
  assert.match(text, /\/\/ mine/)
  assert.equal(await saveIdentity(path, join(folder, 'keys', 'me.key')), true)
  assert.equal(await saveIdentity(path, join(folder, 'other.key')), false)
  assert.equal(readFileSync(path, 'utf8'), text)
})
