// The figures of a run: collected, printed as tables for people, kept as JSON.
import { writeFileSync } from 'node:fs'
import { median } from './samples.js'

/** One figure's name, unit and which way is better. */
export interface Metric {
  readonly name: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  readonly digits?: number
}

interface Row {
  readonly metric: Metric
  /** Every measured value, by contender, in the order measured. */
  readonly values: Map<string, number[]>
}

export class Report {
  readonly #rows = new Map<string, Row>()
  readonly #notes: string[] = []

  add(metric: Metric, contender: string, value: number): void {
    const row = this.#rows.get(metric.name) ?? { metric, values: new Map<string, number[]>() }
    this.#rows.set(metric.name, row)
    const values = row.values.get(contender) ?? []
    row.values.set(contender, [...values, value])
  }

  /** Something that a reader of the figures must know: what was skipped, what failed. */
  note(text: string): void {
    if (this.#notes.includes(text)) return
    this.#notes.push(text)
    console.log(`note: ${text}`)
  }

  /** One line for each figure, one column for each contender; medians, and ratios to `subject`. */
  print(subject: string): void {
    const names = [...new Set([...this.#rows.values()].flatMap(row => [...row.values.keys()]))]
    const lines = [['', ...names]]
    for (const { metric, values } of this.#rows.values()) {
      const mine = median(values.get(subject) ?? [])
      const cells = names.map(name => {
        const samples = values.get(name)
        if (!samples) return '-'
        const value = median(samples)
        const ratio =
          name === subject || !Number.isFinite(mine) || value === 0 ? '' : ` (x${(mine / value).toFixed(2)})`
        return `${value.toFixed(metric.digits ?? 1)}${ratio}`
      })
      const arrow = metric.better === 'higher' ? 'more is better' : 'less is better'
      lines.push([`${metric.name}, ${metric.unit} (${arrow})`, ...cells])
    }
    const widths = lines[0]?.map((_, i) => Math.max(...lines.map(line => line[i]?.length ?? 0))) ?? []
    console.log('')
    for (const line of lines) {
      console.log(
        line.map((cell, i) => (i ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ')
      )
    }
    console.log(`\nMedians. In brackets: ${subject} divided by that column.`)
    for (const note of this.#notes) console.log(`note: ${note}`)
  }

  write(file: string, machine: Record<string, unknown>): void {
    const metrics = [...this.#rows.values()].map(({ metric, values }) => ({
      ...metric,
      results: Object.fromEntries(
        [...values].map(([name, samples]) => [name, { median: median(samples), samples }])
      )
    }))
    writeFileSync(file, `${JSON.stringify({ machine, metrics, notes: this.#notes }, null, 2)}\n`)
  }
}
