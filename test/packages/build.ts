// Builds what the tests of this folder try; `npm test` runs it before them.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { missing } from '../support/programs.js'

// macOS programs run nowhere here, and take as long as all others.
const wanted = [
  'linux-x64',
  'linux-arm64',
  'win-x64',
  'deb',
  'npm',
  ...(missing('makensis') ? [] : ['installer'])
]
const words = [join('dist', 'scripts', 'package', 'main.js'), '--quick', '--only', wanted.join(',')]
process.exitCode = spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1
