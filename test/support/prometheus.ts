/** One series with its value. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/

/** Reads the text format of Prometheus, strictly: each sample under its HELP and TYPE, each series once, counters named as such. */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const samples: Sample[] = []
  const seen = new Set<string>()
  const families = new Set<string>()
  let help: string | undefined
  let type: [name: string, type: string] | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (HELP|TYPE) ([a-z0-9_]+) (.+)$/.exec(line)
    if (comment) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string]
      if (kind === 'HELP') help = name
      else if (help !== name) throw new Error(`a TYPE without its HELP: ${line}`)
      else type = [name, rest]
      if (kind === 'HELP' && families.has(name)) throw new Error(`told twice: ${line}`)
      families.add(name)
      continue
    }
    const [, name, labels = '', value] = LINE.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Error(`not a sample: ${line}`)
    if (type?.[0] !== name) throw new Error(`a sample of nothing: ${line}`)
    if ((type[1] === 'counter') !== name.endsWith('_total')) throw new Error(`a ${type[1]} called ${name}`)
    if (!Number.isFinite(Number(value))) throw new Error(`no number: ${line}`)
    if (seen.has(`${name}{${labels}}`)) throw new Error(`a series twice: ${line}`)
    seen.add(`${name}{${labels}}`)
    samples.push({ name, labels: parseLabels(labels), value: Number(value) })
  }
  return samples
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== ''; ) {
    const match = LABEL.exec(rest)
    if (!match) throw new Error(`not labels: ${text}`)
    labels[match[1]!] = match[2]!
    rest = rest.slice(match[0].length)
  }
  return labels
}

/** The value of the only series of this name with these labels (and perhaps others). */
export function seriesValue(samples: readonly Sample[], name: string, labels: Sample['labels'] = {}): number {
  const found = samples.filter(
    sample =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  )
  if (found.length !== 1) {
    throw new Error(`${found.length} series of ${name} ${JSON.stringify(labels)}`)
  }
  return found[0]!.value
}
