import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Exposition } from '../../../src/metrics/exposition.js'

test('the text format is that of Prometheus, byte for byte', () => {
  const exposition = new Exposition()
  const bytes = exposition.counter('bytes_total', 'A backslash \\ and\na line.')
  exposition.gauge('none', 'Nothing.')
  bytes({ name: 'a "b" \\ c\nd', port: 80 }, 1.5)
  bytes({ name: 'e', port: 81 }, 1)
  bytes({ name: 'e', port: 81 }, 2)
  exposition.gauge('up', 'Up.')({}, 1)
  assert.equal(
    exposition.text(),
    [
      '# HELP bytes_total A backslash \\\\ and\\na line.',
      '# TYPE bytes_total counter',
      'bytes_total{name="a \\"b\\" \\\\ c\\nd",port="80"} 1.5',
      'bytes_total{name="e",port="81"} 3',
      '',
      '# HELP none Nothing.',
      '# TYPE none gauge',
      '',
      '# HELP up Up.',
      '# TYPE up gauge',
      'up 1',
      ''
    ].join('\n')
  )
})
