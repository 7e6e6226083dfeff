import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { descriptorLimit, descriptorsForPunching } from '../../../src/util/descriptors.js'

const module = new URL('../../../src/util/descriptors.js', import.meta.url).href

const skip = process.platform === 'win32' && 'Windows has no such limit'

test('the limit of open files is that of this process, by either way of asking', { skip }, () => {
  const ways = ['linux', 'darwin'].map(platform => `descriptorLimit(${JSON.stringify(platform)})`)
  const source = `import(${JSON.stringify(module)}).then(({ descriptorLimit }) => console.log(${ways.join(', ')}))`
  const limited = ['-c', 'ulimit -n 321 && exec "$0" -e "$1"', process.execPath, source]
  const [table, shell] = execFileSync('/bin/sh', limited, { encoding: 'utf8' }).trim().split(' ').map(Number)
  assert.equal(shell, 321)
  if (process.platform === 'linux') assert.equal(table, 321)
})

test('Windows has no limit, and nothing is asked there', () => {
  assert.equal(descriptorLimit('win32'), Number.POSITIVE_INFINITY)
})

test('a part of the descriptors is for punching', () => {
  assert.equal(descriptorsForPunching(1_048_576, 300), 300)
  assert.equal(descriptorsForPunching(1023, 300), 255)
  assert.equal(descriptorsForPunching(Number.POSITIVE_INFINITY, 300), 300)
})
