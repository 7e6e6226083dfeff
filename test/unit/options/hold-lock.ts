// Run by edit.test.ts: takes a lock and keeps it until it is killed.
import { locked } from '../../../src/options/lock.js'

await locked(process.argv[2]!, async () => {
  process.send!('locked')
  await new Promise(() => setInterval(() => {}, 60_000))
})
