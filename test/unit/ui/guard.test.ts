import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADERS, refusalOf } from '../../../src/ui/guard.js'

const PORT = 8765
const none = { host: undefined, origin: undefined, site: undefined }

for (const [sender, port] of [
  [{ ...none, host: '127.0.0.1:8765' }, PORT],
  [{ ...none, host: 'LocalHost:8765' }, PORT],
  [{ host: '127.0.0.1:8765', origin: 'http://127.0.0.1:8765', site: 'same-origin' }, PORT],
  [{ host: 'localhost:8765', origin: 'http://localhost:8765', site: 'same-origin' }, PORT],
  [{ ...none, host: '127.0.0.1:8765', site: 'none' }, PORT],
  [{ ...none, host: '127.0.0.1' }, 80]
] as const) {
  test(`let in: ${JSON.stringify(sender)}`, () => assert.equal(refusalOf(sender, port), undefined))
}

const own = { ...none, host: '127.0.0.1:8765' }
for (const sender of [
  none,
  { ...none, host: '' },
  // The name of another site, which leads here.
  { ...none, host: 'evil.example:8765' },
  { ...none, host: '127.0.0.1.evil.example:8765' },
  { ...none, host: '127.0.0.1' },
  { ...none, host: '127.0.0.1:8766' },
  { ...none, host: '0.0.0.0:8765' },
  { ...none, host: '[::1]:8765' },
  { ...own, origin: 'http://evil.example' },
  { ...own, origin: 'https://127.0.0.1:8765' },
  { ...own, origin: 'http://127.0.0.1:8766' },
  { ...own, origin: 'http://127.0.0.1' },
  { ...own, origin: 'null' },
  { ...own, origin: '' },
  { ...own, site: 'cross-site' },
  { ...own, site: 'same-site' }
]) {
  test(`refused: ${JSON.stringify(sender)}`, () => assert.ok(refusalOf(sender, PORT)))
}

test('nothing may be written into the page, put around it, or fetched from elsewhere', () => {
  const policy = HEADERS['Content-Security-Policy'] ?? ''
  for (const part of [
    "default-src 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'"
  ]) {
    assert.ok(policy.includes(part), part)
  }
  assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/)
})
