// Run by edit.test.ts, several at once: saves entries one by one.
import { saveEntries } from '../../../src/options/edit.js'

const [path, first, count, publicKey] = process.argv.slice(2) as [string, string, string, string]
for (let i = 0; i < Number(count); i++) {
  await saveEntries(path, [{ mode: 'client', proto: 'tcp', port: Number(first) + i, publicKey }])
}
