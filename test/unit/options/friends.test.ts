import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { encodeTicket } from '../../../src/identity/ticket.js'
import {
  addFriend,
  readFriends,
  removeFriend,
  renameFriend,
  serverNamed
} from '../../../src/options/friends.js'

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
  await assert.rejects(serverNamed('zoe', file), { code: 'BAD_TICKET', message: /none of your friends/ })
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
