import { readAny, shippedPath } from './shipped.js'

/** The version of this package, from the package.json above the build; `unknown` where there is none. */
export function version(): string {
  try {
    const text = readAny(shippedPath('package.json')).toString()
    return String((JSON.parse(text) as { version?: unknown }).version)
  } catch {
    return 'unknown'
  }
}
