/** Prometheus' text format, version 0.0.4. */

/** The content type of what {@link Exposition.text} returns. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export type Labels = Readonly<Record<string, string | number>>

/** Adds a value to the series with these labels. */
export type Add = (labels: Labels, value: number) => void

/** Metrics in the order in which they were declared. */
export class Exposition {
  readonly #families: {
    readonly head: string
    readonly name: string
    readonly series: Map<string, number>
  }[] = []

  counter(name: string, help: string): Add {
    return this.#family(name, help, 'counter')
  }

  gauge(name: string, help: string): Add {
    return this.#family(name, help, 'gauge')
  }

  #family(name: string, help: string, type: string): Add {
    const series = new Map<string, number>()
    this.#families.push({ head: `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`, name, series })
    return (labels, value) => {
      const key = labelText(labels)
      series.set(key, (series.get(key) ?? 0) + value)
    }
  }

  text(): string {
    const families = this.#families.map(
      ({ head, name, series }) =>
        head + [...series].map(([labels, value]) => `${name}${labels} ${value}\n`).join('')
    )
    return families.join('\n')
  }
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    return `${name}="${escaped(`${value}`).replaceAll('"', '\\"')}"`
  })
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
