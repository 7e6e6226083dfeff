import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { shippedFiles } from '../../../../scripts/package/bundle.js'
import { installedFile } from '../../../support/hyper-nat.js'
import { root } from '../../root.js'

test('a single-file program has every file that the page is served from', () => {
  const shipped = [...shippedFiles(root).keys()]
  const ui = readFileSync(join(root, 'src', 'ui', 'ui.ts'), 'utf8')
  const served = [...ui.matchAll(/^ {2}'\/[^']*': \['([^']+)'/gm)].map(
    ([, file]) => `dist/src/ui/page/${file}`
  )
  assert.ok(served.length >= 6)
  assert.deepEqual(
    served.filter(file => !shipped.includes(file)),
    []
  )
  assert.deepEqual(
    shipped.filter(file => /\.(d\.ts|map)$|\/(history|news)\.js$/.test(file)),
    []
  )
})

test('a bundle is the same wherever it was made', () => {
  assert.ok(!readFileSync(installedFile.replace('main.js', 'program.js'), 'utf8').includes(root))
})
