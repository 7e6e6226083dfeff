import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Journal } from '../../../src/log/journal.js'

const LIMITS = { journalLines: 3, journalBytes: 20, journalLineBytes: 10 }

test('the latest lines are kept, by number and by bytes', () => {
  const journal = new Journal(LIMITS)
  for (const line of ['a\n', 'b\n', 'c\n', 'd\n']) journal.add(line)
  assert.deepEqual(journal.last(10), ['b', 'c', 'd'])
  assert.deepEqual(journal.last(2), ['c', 'd'])
  assert.deepEqual(journal.last(0), [])
  journal.add('0123456789')
  journal.add('9876543210')
  assert.deepEqual(journal.last(10), ['0123456789', '9876543210'])
  journal.add('01234567890')
  assert.equal(journal.last(10).length, 2, 'a line that is too long is left out')
})

test('a follower gets each line until it stops', () => {
  const journal = new Journal(LIMITS)
  const heard: string[] = []
  const end = journal.follow(line => heard.push(line))
  journal.add('a')
  journal.add('b')
  end()
  journal.add('c')
  assert.deepEqual(heard, ['a', 'b'])
})
