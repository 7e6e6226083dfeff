// Run by edit.test.ts: is killed while it writes a file.
import { writeFileSync } from 'node:fs'
import { locked } from '../../../src/options/lock.js'

const path = process.argv[2]!

await locked(path, async lock => {
  writeFileSync(`${path}.1234567`, 'a secret')
  await lock.note(`${path}.1234567`)
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => {})
})
