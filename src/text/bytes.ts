/** Numbers of bytes as people read them, on the command line and in the page. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `512 B`, `1.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}
