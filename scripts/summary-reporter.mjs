// A reporter for node's test runner that only counts, for the table at the end of `npm test`.
import { relative } from 'node:path'

export default async function* summarise(source) {
  const counts = {}
  const failures = []
  for await (const { type, data } of source) {
    // The runner's own totals come last, as `pass 12`, with no nesting.
    const total = type === 'test:diagnostic' && data.nesting === 0 && /^(\w+) (\d+)/.exec(data.message)
    if (total) counts[total[1]] = Number(total[2])
    // A parent fails because of its child: name the child only.
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed' && !data.todo) {
      failures.push(`${data.name}${data.file ? ` (${relative(process.cwd(), data.file)})` : ''}`)
    }
  }
  yield JSON.stringify({ counts, failures })
}
