import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OptionsError } from '../../../src/errors.js'
import { encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import { checkOptions } from '../../../src/options/check.js'
import { saveEntries } from '../../../src/options/edit.js'
import { removeClient } from '../../../src/options/entries.js'
import { readOptionsFile } from '../../../src/options/file.js'
import {
  addFriend,
  friendsFile,
  readFriends,
  removeFriend,
  renameFriend,
  serverNamed
} from '../../../src/options/friends.js'

const settings = mkdtempSync(join(tmpdir(), 'hyper-nat-settings-'))
Object.assign(process.env, { HOME: settings, XDG_CONFIG_HOME: settings, APPDATA: settings })
process.on('exit', () => rmSync(settings, { recursive: true, force: true }))

const keyOf = (secret: string): Uint8Array => keyPairOf(new Secret(secret)).publicKey
const BOB = encodeKey(keyOf('bob'))
const TICKET = encodeTicket({ publicKey: keyOf('bob'), maps: [{ proto: 'tcp', port: 22 }] })
const EVE = encodeKey(keyOf('eve'))

function newFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-friends-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'new', 'friends.json')
}

test('a friend is found by name, whatever the case, and keys and tickets stand for themselves', async t => {
  const file = newFile(t)
  assert.deepEqual(await readFriends(file), [])
  await addFriend('Bob', TICKET, false, file)
  await addFriend('anna', EVE, false, file)
  assert.equal(await serverNamed('bob', file), TICKET)
  assert.equal(await serverNamed('anna', file), EVE)
  for (const other of [EVE, TICKET, '', 'x'.repeat(43)]) assert.equal(await serverNamed(other, file), other)
  await assert.rejects(serverNamed('bop', file), { code: 'BAD_TICKET', message: /did you mean "Bob"/ })
  await assert.rejects(serverNamed('zoe', file), { code: 'BAD_TICKET', message: /nor one of your friends/ })
  assert.deepEqual(
    (await readFriends(file)).map(({ name }) => name),
    ['anna', 'Bob']
  )
})

test('only their owner can read them, whatever the mode was', {
  skip: process.platform === 'win32'
}, async t => {
  const file = newFile(t)
  await addFriend('bob', TICKET, false, file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  chmodSync(file, 0o644)
  await addFriend('eve', EVE, false, file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('a name keeps its key: another server needs --replace, a newer ticket of the same does not', async t => {
  const file = newFile(t)
  await addFriend('bob', BOB, false, file)
  await addFriend('bob', TICKET, false, file)
  assert.equal(await serverNamed('bob', file), TICKET)
  await assert.rejects(addFriend('BOB', EVE, false, file), {
    code: 'NAME_TAKEN',
    message: new RegExp(`${BOB}.*${EVE}`)
  })
  assert.equal(await serverNamed('bob', file), TICKET)
  await addFriend('bob', EVE, true, file)
  assert.equal(await serverNamed('bob', file), EVE)
  assert.equal((await readFriends(file)).length, 1)
})

test('friends are removed and renamed', async t => {
  const file = newFile(t)
  await addFriend('bob', BOB, false, file)
  await addFriend('eve', EVE, false, file)
  await assert.rejects(renameFriend('bob', 'Eve', file), { code: 'NAME_TAKEN' })
  await renameFriend('bob', 'Bob', file)
  await renameFriend('Bob', 'robert', file)
  assert.equal(await serverNamed('robert', file), BOB)
  await assert.rejects(removeFriend('rober', file), { code: 'BAD_OPTIONS', message: /did you mean "robert"/ })
  await removeFriend('robert', file)
  assert.deepEqual(
    (await readFriends(file)).map(({ name }) => name),
    ['eve']
  )
})

test('names that could be something else are refused', async t => {
  const file = newFile(t)
  for (const name of ['', '22', BOB, TICKET, 'a b', 'a:b', 'a/b', 'x'.repeat(65), 'a\u200b']) {
    await assert.rejects(addFriend(name, BOB, false, file), { code: 'BAD_OPTIONS' }, name)
  }
  await assert.rejects(addFriend('bob', 'nonsense', false, file), { code: 'BAD_PUBLIC_KEY' })
  assert.deepEqual(await readFriends(file), [])
})

test('two who add at once are both there', async t => {
  const file = newFile(t)
  await Promise.all(['a', 'b', 'c', 'd'].map(name => addFriend(name, BOB, false, file)))
  assert.equal((await readFriends(file)).length, 4)
})

test('a file that holds something else is an error that names it, and stays', async t => {
  const file = newFile(t)
  await addFriend('bob', BOB, false, file)
  for (const text of ['{', '[]', '{"friends":[{}]}', '{"friends":[{"name":"a","publicKey":"x"}]}']) {
    writeFileSync(file, text)
    await assert.rejects(readFriends(file), { code: 'OPTIONS_UNREADABLE', message: /friends\.json/ })
    await assert.rejects(addFriend('eve', EVE, false, file), { code: 'OPTIONS_UNREADABLE' })
    assert.equal(readFileSync(file, 'utf8'), text)
  }
})

test('a file that an editor has saved with a byte order mark, or in UTF-16, is read', async t => {
  const file = newFile(t)
  await addFriend('bob', BOB, false, file)
  const text = `\ufeff${readFileSync(file, 'utf8')}`
  for (const bytes of [text, Buffer.from(text, 'utf16le')]) {
    writeFileSync(file, bytes)
    assert.equal(await serverNamed('bob', file), BOB)
  }
  await addFriend('eve', EVE, false, file)
  assert.deepEqual(
    (await readFriends(file)).map(({ name }) => name),
    ['bob', 'eve']
  )
})

const clients = (...entries: object[]) =>
  checkOptions({ schema: entries.map(entry => ({ mode: 'client', ...entry })) })

function faultsIn(...entries: object[]): string[] {
  try {
    clients(...entries)
  } catch (err) {
    if (!(err instanceof OptionsError)) throw err
    return err.faults.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

test('an entry of options.json names a friend, by ticket or by key', async () => {
  await addFriend('Bob', TICKET)
  await addFriend('eve', EVE)
  const { entries } = clients(
    { server: 'bob' },
    { server: 'eve', port: 80, proto: 'tcp' },
    { server: EVE, port: 81, localPort: 0 }
  )
  assert.deepEqual(
    entries.map(entry => entry.mode === 'client' && [entry.port, encodeKey(entry.publicKey), entry.friend]),
    [
      [22, BOB, 'Bob'],
      [80, EVE, 'eve'],
      [81, EVE, undefined]
    ]
  )
})

test('a friend that there is not, or not alone, is a fault by path', async () => {
  await addFriend('Bob', TICKET)
  await addFriend('eve', EVE)
  for (const [entry, expected] of [
    [
      { server: 'bop' },
      /^schema\[0\]\.server: is "bop", which is not one of your friends; did you mean "Bob"\?$/
    ],
    [{ server: 'zoe' }, /^schema\[0\]\.server: .*hyper-nat friends lists those$/],
    [{ server: 5 }, /^schema\[0\]\.server: is 5; give the name/],
    [{ server: '' }, /^schema\[0\]\.server: /],
    [{ server: 'x'.repeat(40), port: 1 }, /^schema\[0\]\.server: /],
    [{ server: 'bob', publicKey: EVE }, /^schema\[0\]\.server: cannot be combined with publicKey/],
    [{ server: 'bob', ticket: TICKET }, /^schema\[0\]\.server: cannot be combined with ticket/],
    [{ server: 'eve' }, /^schema\[0\]\.port: is missing/],
    [{ server: 'bob', port: 23 }, /^schema\[0\]\.port: .*ticket/]
  ] as const) {
    const faults = faultsIn(entry)
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0]!, expected)
  }
  // What else is wrong is told, too.
  assert.deepEqual(
    faultsIn({ server: 'bop', frob: 1 }, { server: 'eve', port: 0 }).map(text => text.split(':')[0]),
    ['schema[0].server', 'schema[0].frob', 'schema[1].port']
  )
})

test('a file of friends that cannot be used is a fault by path', async () => {
  writeFileSync(friendsFile(), '{')
  assert.match(faultsIn({ server: 'bob' })[0]!, /^schema\[0\]\.server: cannot be looked up: .*friends\.json/)
  rmSync(friendsFile())
})

test('a file is edited with its names left as they are', async t => {
  await addFriend('Bob', TICKET)
  const path = join(newFile(t), '..', '..', 'options.json')
  writeFileSync(path, '{ "schema": [{ "mode": "client", "server": "bob" }] }', { mode: 0o644 })
  await saveEntries(path, [{ mode: 'client', proto: 'tcp', port: 80, publicKey: EVE }])
  assert.match(readFileSync(path, 'utf8'), /"server": "bob"/)
  const { entries, warnings } = await readOptionsFile(path)
  assert.equal(entries.length, 2)
  // Who is taken out is known by the key, also where the file has a name.
  await removeClient(path, BOB)
  assert.doesNotMatch(readFileSync(path, 'utf8'), /bob/)
  // The invite of a friend's ticket is not in this file.
  assert.deepEqual(warnings, [])
})
