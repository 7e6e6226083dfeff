import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sentenceOf } from '../../../src/text/sentence.js'

test('a message becomes a sentence, once', () => {
  for (const [text, sentence] of [
    ['the port is in use', 'The port is in use.'],
    ['  Is it running? ', 'Is it running?'],
    ['Stopped.', 'Stopped.']
  ] as const) {
    assert.equal(sentenceOf(text), sentence)
    assert.equal(sentenceOf(sentence), sentence)
  }
})
