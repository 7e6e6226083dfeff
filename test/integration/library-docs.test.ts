// Each program in docs/library.md prints what stands below it.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from '../support/process.js'
import { staged } from '../support/stage.js'
import { root } from '../unit/root.js'

const docs = readFileSync(join(root, 'docs', 'library.md'), 'utf8').replaceAll('\r\n', '\n')

const EXAMPLE = /^## (.*)\n(?:(?!^## )[\s\S])*?```js\n([\s\S]*?)```\n\nprints\n\n```text\n([\s\S]*?)```/gm

const examples = [...docs.matchAll(EXAMPLE)]

staged('docs/library.md has programs, each with what it prints', async () => {
  assert.equal(examples.length, docs.match(/```js\n/g)?.length)
  assert.ok(examples.length >= 4)
})

for (const [, title = '', code = '', printed = ''] of examples) {
  staged(`docs/library.md: ${title}`, async stage => {
    const { bootstrap } = await stage.testnet()
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-docs-'))
    stage.defer(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules', 'hyper-nat'), 'junction')
    symlinkSync(join(root, 'node_modules', 'ws'), join(folder, 'node_modules', 'ws'), 'junction')
    const options = JSON.stringify({ bootstrap, portMapping: false })
    writeFileSync(join(folder, 'example.mjs'), code.replaceAll('new HyperNat()', `new HyperNat(${options})`))
    const {
      code: exit,
      stdout,
      stderr
    } = await runProgram(process.execPath, [join(folder, 'example.mjs')], {
      cwd: folder
    })
    assert.deepEqual([exit, stdout, stderr], [0, printed, ''])
  })
}
