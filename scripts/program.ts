/** Writes the program that npm installs beside the build, into dist/bin; `npm run build` runs it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { installedProgram, licencesOf } from './package/bundle.js'

const root = resolve('.')
const to = join('dist', 'bin')

const { start, script, packages } = await installedProgram(root)
mkdirSync(to, { recursive: true })
const files: Record<string, string | Buffer> = {
  'main.js': start,
  'program.js': script,
  // Node loads CommonJS faster, and keeps its text in half the memory.
  'package.json': '{ "type": "commonjs" }\n',
  // What is bundled is given away under its own terms, which ask to be with it.
  'LICENSES.txt': licencesOf(root, packages)
}
for (const [name, text] of Object.entries(files)) writeFileSync(join(to, name), text)
