// What the documents show works as it stands there.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectTcp, readAll } from '../support/clients.js'
import { writeOptions } from '../support/hyper-nat.js'
import { Process } from '../support/process.js'
import { listenTcpEcho } from '../support/servers.js'
import { staged } from '../support/stage.js'
import { root } from '../unit/root.js'

const here = dirname(fileURLToPath(import.meta.url))
const docs = join(root, 'docs')

/** The text of the only code block of a language in a document. */
function block(document: string, language: string): string {
  const text = readFileSync(join(docs, document), 'utf8')
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))]
  assert.equal(found.length, 1, `${document} has one block of ${language}`)
  return found[0]?.[1] ?? ''
}

staged('the library example runs', async stage => {
  const { bootstrap } = await stage.testnet()
  const target = await stage.use(listenTcpEcho())
  // Inside the package, so that `hyper-nat` means this build; with a port that is free, and a stop to try it before it closes.
  const file = join(here, `readme-example-${process.pid}.mjs`)
  stage.defer(() => rmSync(file))
  const wait =
    "await new Promise(resolve => process.stdin.once('data', resolve).once('end', resolve))\nprocess.stdin.pause()"
  const source = block('library.md', 'mjs')
    .replaceAll('3000', `${target.port}`)
    .replace('// When done:', wait)
  assert.ok(source.includes(wait))
  writeFileSync(file, source)
  const env = { ...process.env, HYPER_NAT_BOOTSTRAP: bootstrap.join(',') }
  const example = new Process(process.execPath, [file], { env })
  stage.defer(() => example.stop())
  await example.says(/^connected$/m)
  const [, localPort = ''] = await example.says(/listening on (\d+)/)
  const socket = await connectTcp(Number(localPort))
  socket.end('hello')
  assert.equal((await readAll(socket)).toString(), 'hello')
  example.input('\n')
  const { code } = await example.end()
  assert.equal(code, 0, example.describe())
})

staged('the options.json starts', async stage => {
  const { bootstrap } = await stage.testnet()
  const options = JSON.parse(block('options.md', 'json'))
  // Any free port, since tests run where others may be taken.
  for (const entry of options.schema) if (entry.mode === 'client') entry.localPort = 0
  const written = writeOptions(options)
  stage.defer(() => written.remove())
  const daemon = stage.start(['-c', written.file, '--json', '--bootstrap', bootstrap.join(',')])
  await daemon.event('ready', { where: e => e.mode === 'server' })
  await daemon.event('ready', { where: e => e.mode === 'client' })
})
