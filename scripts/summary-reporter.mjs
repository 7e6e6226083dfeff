// A reporter for node's test runner that counts and keeps why tests failed, for the table at the end of `npm test`.
import { relative } from 'node:path'

/** What is told of a message: its first and last lines, each cut to so many characters. */
const LINES = 12
const COLUMNS = 200

function shorten(message) {
  const lines = message.trim().split('\n')
  const told = lines.length > 2 * LINES ? [...lines.slice(0, LINES), '...', ...lines.slice(-LINES)] : lines
  return told.map(line => (line.length > COLUMNS ? `${line.slice(0, COLUMNS)}...` : line))
}

export default async function* summarise(source) {
  const counts = {}
  const failures = []
  for await (const { type, data } of source) {
    // The runner's own totals come last, as `pass 12`, with no nesting.
    const total = type === 'test:diagnostic' && data.nesting === 0 && /^(\w+) (\d+)/.exec(data.message)
    if (total) counts[total[1]] = Number(total[2])
    // A parent fails because of its child: name the child only.
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed' && !data.todo) {
      const { cause, message } = data.details?.error ?? {}
      const why = shorten(String(cause?.message ?? cause ?? message ?? ''))
      failures.push(`${data.name}${data.file ? ` (${relative(process.cwd(), data.file)})` : ''}`)
      failures.push(...why.map(line => `  ${line}`))
    }
  }
  yield JSON.stringify({ counts, failures })
}
