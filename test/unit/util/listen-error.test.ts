import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenError } from '../../../src/util/listen-error.js'

const refused = Object.assign(new Error('permission denied'), { code: 'EACCES' })

test('a port that is refused gets advice that fits its number', () => {
  assert.match(listenError(refused, 'TCP', 80, '127.0.0.1').message, /by this user: choose one above 1023/)
  // Windows refuses ports of the ranges that it has set aside.
  for (const port of [1024, 27015]) {
    const { code, message } = listenError(refused, 'UDP', port, '127.0.0.1')
    assert.equal(code, 'LISTEN_FAILED')
    assert.equal(
      message,
      `UDP port 127.0.0.1:${port} is refused by the system, which may have set it aside: choose another port.`
    )
  }
})
