// Builds the page of `hyper-nat ui`: src/ui/page into dist/src/ui/page, two files and what they are shown in. Nothing of it is
// fetched from elsewhere when it runs.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const from = join(root, 'src', 'ui', 'page')
const to = join(root, 'dist', 'src', 'ui', 'page')

const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
mkdirSync(to, { recursive: true })
for (const file of ['index.html', 'icon.svg', 'icon-live.svg', 'icon-gone.svg'])
  copyFileSync(join(from, file), join(to, file))
// What is bundled is given away under its own terms, which ask to be with it.
const licences = ['preact', 'uplot', 'qr'].map(
  name => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`
)
writeFileSync(join(to, 'LICENSES.txt'), licences.join('\n\n'))
await build({
  entryPoints: [
    { in: join(from, 'main.tsx'), out: 'main' },
    { in: join(from, 'style.css'), out: 'main' }
  ],
  outdir: to,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome109', 'firefox115', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  define: { HOME_PAGE: JSON.stringify(repository) },
  legalComments: 'none',
  logLevel: 'warning'
})
