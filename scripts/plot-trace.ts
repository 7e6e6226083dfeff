/**
 * Draws a trace of `hyper-nat --trace FILE` as a page: for each session and flow what was measured over time, with losses, states and
 * sizes as marks.
 *
 *     npm run plot -- FILE [PAGE.html]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

interface Event {
  readonly time: number
  readonly name: string
  readonly group_id: string
  readonly data: Readonly<Record<string, unknown>>
}

const WIDTH = 1000
const HEIGHT = 120

/** What is drawn of each group, and its unit. */
const SERIES: readonly (readonly [name: string, unit: string])[] = [
  ['latest_rtt', 'ms'],
  ['smoothed_rtt', 'ms'],
  ['congestion_window', 'bytes'],
  ['bytes_in_flight', 'bytes'],
  ['delivery_rate', 'bit/s'],
  ['loss_rate', '']
]

/** The events of a trace, without its header. A last line that was cut off is left out. */
export function readTrace(text: string): Event[] {
  const [, ...records] = text.split('\u001e').filter(record => record !== '')
  const events: Event[] = []
  for (const [i, record] of records.entries()) {
    try {
      events.push(JSON.parse(record))
    } catch (err) {
      if (i < records.length - 1) throw new Error(`Record ${i + 2} is not JSON.`, { cause: err })
    }
  }
  return events
}

/** The page that shows a trace. */
export function plot(events: readonly Event[]): string {
  const end = events.reduce((most, { time }) => Math.max(most, time), 1)
  const groups = new Map<string, Event[]>()
  for (const event of events) {
    const group = groups.get(event.group_id)
    if (group) group.push(event)
    else groups.set(event.group_id, [event])
  }
  const parts = [...groups].map(([group, own]) => drawGroup(group, own, end))
  return `<!doctype html><meta charset="utf-8"><title>hyper-nat trace</title>
<style>body{font:14px sans-serif;margin:24px}svg{display:block;background:#f6f6f6;margin:4px 0 12px}path{fill:none;stroke:#06c}line{stroke:#c33;stroke-opacity:.4}td{padding-right:16px}</style>
<h1>hyper-nat trace, ${(end / 1000).toFixed(1)} s</h1>
${parts.join('\n')}
`
}

function drawGroup(group: string, events: readonly Event[], end: number): string {
  const x = (time: number): number => (time / end) * WIDTH
  const marks = events
    .filter(({ name }) => name === 'hyper-nat:packets_lost')
    .map(({ time }) => `<line x1="${x(time).toFixed(1)}" x2="${x(time).toFixed(1)}" y1="0" y2="${HEIGHT}"/>`)
    .join('')
  const charts = SERIES.map(([name, unit]) => {
    const points = events.flatMap(({ time, data }): [number, number][] =>
      typeof data[name] === 'number' ? [[time, data[name]]] : []
    )
    if (points.length < 2) return ''
    const most = points.reduce((top, [, value]) => Math.max(top, value), 0) || 1
    const line = points
      .map(([time, value]) => `${x(time).toFixed(1)},${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`)
      .join(' L')
    return `<div>${name}, up to ${most.toPrecision(4)} ${unit}</div><svg width="${WIDTH}" height="${HEIGHT}">${marks}<path d="M${line}"/></svg>`
  })
  const states = events
    .filter(({ name }) => !/metrics_updated|packets_lost/.test(name))
    .map(
      ({ time, name, data }) =>
        `<tr><td>${time.toFixed(0)} ms<td>${escapeHtml(name)}<td>${escapeHtml(JSON.stringify(data))}`
    )
  return `<h2>${escapeHtml(group)}</h2>${charts.join('')}<details><summary>${states.length} events</summary><table>${states.join('')}</table></details>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file, page = `${file}.html`] = process.argv.slice(2)
  if (file === undefined) {
    console.error('usage: npm run plot -- FILE [PAGE.html]')
    process.exit(2)
  }
  writeFileSync(page, plot(readTrace(readFileSync(file, 'utf8'))))
  console.log(page)
}
