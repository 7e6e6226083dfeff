import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { test } from 'node:test'
import sodium from 'sodium-native'
import { encodeKey } from '../../../src/identity/encoding.js'
import { defaultIdentityFile, loadIdentity } from '../../../src/options/identity-file.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-identity-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const NO_MODES = process.platform === 'win32' ? 'no modes on Windows' : false

let files = 0
const fresh = (): string => join(folder, `${files++}`, 'deeper', 'identity')

test('it is made once, and stays the same', async () => {
  const path = fresh()
  const made = await loadIdentity(path)
  const again = await loadIdentity(path)
  assert.deepEqual(again, made)
  assert.equal(sodium.crypto_core_ed25519_is_valid_point(Buffer.from(made.publicKey)), true)
  assert.notEqual(encodeKey((await loadIdentity(fresh())).publicKey), encodeKey(made.publicKey))
  assert.deepEqual(readdirSync(join(path, '..')), ['identity'])
})

test('it is for its owner only', { skip: NO_MODES }, async () => {
  const path = fresh()
  await loadIdentity(path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
    chmodSync(path, mode)
    await assert.rejects(loadIdentity(path), { code: 'IDENTITY_EXPOSED', message: /chmod 600 / })
  }
  chmodSync(path, 0o400)
  await loadIdentity(path)
})

test('one of another owner is refused', {
  skip: process.getuid?.() !== 0 && 'only root can give files away'
}, async () => {
  const path = fresh()
  await loadIdentity(path)
  chownSync(path, 12_345, 12_345)
  await assert.rejects(loadIdentity(path), { code: 'IDENTITY_EXPOSED', message: /belongs to another user/ })
})

test('made by several at once it is one', async () => {
  const path = fresh()
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path)))
  assert.equal(new Set(keys.map(({ publicKey }) => encodeKey(publicKey))).size, 1)
})

test('what was once written is read for ever', async () => {
  const path = join(folder, `${files++}`)
  // With the line ends of an editor on Windows.
  const text = '# a comment\r\n\r\n6t3w8c4s3m3shr3apfuqxxqhdpr5b6stp7duhfbsz3h8cqkkyppy\r\n'
  // And with its byte order mark, or as PowerShell writes it.
  for (const bytes of [text, `\ufeff${text}`, Buffer.from(`\ufeff${text}`, 'utf16le')]) {
    writeFileSync(path, bytes, { mode: 0o600 })
    const { publicKey } = await loadIdentity(path)
    assert.equal(encodeKey(publicKey), 'Cjnw5w7pT4ivU8aEs2u9SvsSzNCyHKhnPXXd2kaMzW9F')
  }
})

test('something else in its place is refused, and left alone', async () => {
  for (const text of [
    '',
    '# only a comment\n',
    'hello',
    'y'.repeat(51),
    `${'y'.repeat(51)}9`,
    'l'.repeat(52),
    '\0'.repeat(99)
  ]) {
    const path = join(folder, `${files++}`)
    writeFileSync(path, text, { mode: 0o600 })
    await assert.rejects(loadIdentity(path), { code: 'IDENTITY_UNUSABLE' })
    assert.equal(readFileSync(path, 'utf8'), text)
  }
  await assert.rejects(loadIdentity(folder), { code: 'IDENTITY_UNUSABLE' })
})

test('the default is in the folder for settings', () => {
  assert.ok(isAbsolute(defaultIdentityFile()))
  assert.match(defaultIdentityFile(), /hyper-nat/)
})
