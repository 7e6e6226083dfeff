import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOwnHost, parseHost } from '../../../src/http/host-header.js'

test('a Host header in its parts', () => {
  assert.deepEqual(parseHost('LocalHost:80'), { name: 'localhost', port: 80 })
  assert.deepEqual(parseHost('127.0.0.1'), { name: '127.0.0.1', port: null })
  assert.deepEqual(parseHost('[::1]:9464'), { name: '::1', port: 9464 })
  for (const header of [
    undefined,
    '',
    ':80',
    'a:b',
    'a:1:2',
    '::1',
    '[evil]',
    '[::1',
    'a b:80:',
    'a:123456'
  ]) {
    assert.equal(parseHost(header), null, header)
  }
})

test('addresses and localhost are our own, names are not', () => {
  for (const header of ['localhost', 'localhost:1', '192.0.2.7', '[fe80::1]:80', '127.0.0.1:9464']) {
    assert.ok(isOwnHost(header), header)
  }
  for (const header of [
    'evil.example',
    '127.0.0.1.evil.example:80',
    'localhost.evil.example',
    '[evil]',
    ''
  ]) {
    assert.ok(!isOwnHost(header), header)
  }
})
