import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plot, readTrace } from '../../../scripts/plot-trace.js'

const record = (data: object): string => `\u001e${JSON.stringify(data)}\n`
const metrics = (time: number, rtt: number): string =>
  record({ time, name: 'recovery:metrics_updated', group_id: 'ab/1', data: { smoothed_rtt: rtt } })

test('a page has a chart for what was measured of each group, with losses as marks', () => {
  const lost = record({ time: 50, name: 'hyper-nat:packets_lost', group_id: 'ab/1', data: { lost: 1 } })
  const page = plot(readTrace(record({ trace: {} }) + metrics(0, 10) + lost + metrics(100, 20)))
  assert.match(page, /<h2>ab\/1<\/h2>/)
  assert.match(page, /smoothed_rtt, up to 20\.00 ms/)
  assert.match(page, /d="M0\.0,60\.0 L1000\.0,0\.0"/)
  assert.match(page, /<line x1="500\.0"/)
})

test('what a trace holds does not become part of the page', () => {
  const page = plot(readTrace(record({}) + record({ time: 1, name: '<b>', group_id: '<i>', data: {} })))
  assert.doesNotMatch(page, /<b>|<i>/)
})

test('a last line that was cut off is left out, any other is an error', () => {
  const cut = '\u001e{"time":1,'
  assert.equal(readTrace(record({}) + metrics(0, 1) + cut).length, 1)
  assert.throws(() => readTrace(record({}) + cut + metrics(0, 1)), /Record 2 is not JSON/)
})
