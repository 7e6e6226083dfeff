import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostPort } from '../../../src/text/address.js'
import { hostsCollide } from '../../../src/text/hosts.js'
import { isSocketPath, socketModeOf, socketPath, socketPathFault } from '../../../src/text/socket-path.js'

const PIPE = String.raw`\\.\pipe\app`

test('a path is what follows unix:, or the whole name of a pipe', () => {
  assert.equal(socketPath('unix:/run/app.sock'), '/run/app.sock')
  assert.equal(socketPath(PIPE), PIPE)
  for (const host of ['127.0.0.1', '::1', 'unix', 'nas', String.raw`\\server\share`])
    assert.ok(!isSocketPath(host), host)
})

test('faults of a path depend on the system that it is for', () => {
  const faults: [string, NodeJS.Platform, RegExp | null][] = [
    ['unix:/run/app.sock', 'linux', null],
    [`unix:/${'x'.repeat(106)}`, 'linux', null],
    [`unix:/${'x'.repeat(107)}`, 'linux', /up to 107 bytes/],
    [`unix:/${'ä'.repeat(60)}`, 'linux', /up to 107 bytes/],
    [`unix:/${'x'.repeat(103)}`, 'darwin', /up to 103 bytes/],
    ['unix:app.sock', 'linux', /whole path/],
    ['unix:', 'linux', /whole path/],
    ['unix:/run/', 'linux', /not the path of a file/],
    ['unix:/run/a\0b', 'linux', /not the path of a file/],
    ['unix:/run/app.sock', 'win32', /pipe/],
    [PIPE, 'linux', /unix:/],
    [PIPE, 'win32', null],
    [`${String.raw`\\.\pipe`}\\`, 'win32', /no name/]
  ]
  for (const [host, platform, expected] of faults) {
    const fault = socketPathFault(host, platform)
    if (expected) assert.match(String(fault), expected, host)
    else assert.equal(fault, undefined, host)
  }
})

test('a socket is shown without a port, and collides with itself alone', () => {
  assert.equal(hostPort('unix:/run/App.sock', 0), 'unix:/run/App.sock')
  assert.ok(hostsCollide('unix:/run/a', 'unix:/run/a'))
  assert.ok(!hostsCollide('unix:/run/a', 'unix:/run/b'))
  assert.ok(!hostsCollide('unix:/run/a', '0.0.0.0'))
  // Names of files are told apart by their case.
  if (process.platform !== 'win32') assert.ok(!hostsCollide('unix:/run/a', 'unix:/run/A'))
})

test('a mode has three octal digits', () => {
  assert.deepEqual(['600', '0660', '0777'].map(socketModeOf), [0o600, 0o660, 0o777])
  for (const text of ['', '66', '0680', '01660', 'rw', '0o660', '-600'])
    assert.equal(socketModeOf(text), undefined, text)
})
