import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guestNameFault } from '../../../src/options/guest-name.js'

test('names that people write are names', () => {
  const names = ['Anna', 'Zoë', '李小龍', 'Анна', 'a b', '김민준', '\u2764\ufe0f Ben', '1\ufe0f\u20e3 Carl']
  for (const name of names) assert.equal(guestNameFault(name), undefined, name)
})

test('letters that show nothing are refused: with them two names look the same', () => {
  for (const character of [
    0x3164, 0x2800, 0x115f, 0x1160, 0xffa0, 0x034f, 0x200b, 0x00ad, 0xfe0f, 0x2060, 0x180e
  ]) {
    const fault = guestNameFault(`An${String.fromCodePoint(character)}na`)
    assert.match(fault ?? '', /do not print/, character.toString(16))
  }
})
