import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quote, quoteName } from '../../../src/text/quote.js'

test('names are shown in their own letters, and whole', () => {
  for (const name of [
    'J\u00f6rg',
    '\u0410\u043d\u043d\u0430',
    '\u592a\u90ce',
    '\u{1f3ae} game',
    'x'.repeat(64)
  ]) {
    assert.equal(quoteName(name), `"${name}"`)
  }
})

test('what does not print, or ends a line, is escaped', () => {
  assert.equal(quoteName('a"b\\c\n\u001b[31m'), '"a\\"b\\\\c\\n\\u001b[31m"')
  assert.equal(quoteName('\u202e\u2028\u00a0\ud800\u{e0041}'), '"\\u202e\\u2028\\u00a0\\ud800\\udb40\\udc41"')
})

test('what is long is cut, between characters', () => {
  assert.equal(quoteName('\u{1f3ae}'.repeat(70)), `"${'\u{1f3ae}'.repeat(63)}..`)
})

test('a wrong value is in ASCII, and never what holds others', () => {
  assert.equal(quote('p\u043ert'), '"p\\u043ert"')
  assert.equal(quote('y'.repeat(70)), `"${'y'.repeat(57)}..`)
  assert.deepEqual(
    [undefined, ['secret'], { secret: 1 }, 7, 80n, Number.POSITIVE_INFINITY, Number.NaN].map(quote),
    ['missing', 'a list', 'an object', '7', '80n', 'Infinity', 'NaN']
  )
})
