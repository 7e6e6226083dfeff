import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { descriptorLimit, descriptorsForFlows } from '../../../src/sockets/descriptors.js'

const module = new URL('../../../src/sockets/descriptors.js', import.meta.url).href

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

test('flows leave what files need, and sockets to punch NATs with as far as there are enough', () => {
  assert.equal(descriptorsForFlows(1_048_576, 30, 64), 1_048_576 - 30 - 300)
  assert.equal(descriptorsForFlows(1024, 30, 64), 1024 - 30 - 256)
  assert.equal(descriptorsForFlows(128, 30, 64), 128 - 30 - 64)
  assert.equal(descriptorsForFlows(Number.POSITIVE_INFINITY, 0, 64), Number.POSITIVE_INFINITY)
})
