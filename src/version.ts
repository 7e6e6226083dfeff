import { readFileSync } from 'node:fs'

/** The version of this package, from the package.json above the build; `unknown` where there is none. */
export function version(): string {
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    return String((JSON.parse(text) as { version?: unknown }).version)
  } catch {
    return 'unknown'
  }
}
