/** Writes the manual page beside the build; `npm run build` runs it. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { manPage } from '../src/cli/man.js'
import { version } from '../src/version.js'

mkdirSync('dist/man', { recursive: true })
writeFileSync('dist/man/hyper-nat.1', manPage(version()))
