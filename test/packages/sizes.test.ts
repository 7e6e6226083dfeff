// What the products weigh, and how soon the program starts.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { compiledFile } from '../support/hyper-nat.js'
import { checkSize, notHere, product, version } from './products.js'

/** How often each is started. */
const TURNS = 9

const program = product(`-${version}-linux-x64`)

test('its size, and how soon it starts beside the build under test', {
  skip: notHere,
  timeout: 120_000
}, async t => {
  const home = mkdtempSync(join(tmpdir(), 'hyper-nat-home-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, HOME: home }
  const say = (text: string): void => t.diagnostic(text)
  checkSize(program, 114, say)
  checkSize(product(`-${version}-linux-x64.tar.gz`), 42.5, say)
  checkSize(product(`-${version}-linux-arm64.tar.gz`), 42.2, say)
  checkSize(product(`_${version}_amd64.deb`), 42.5, say)
  checkSize(product(`-${version}-win-x64.exe`), 91.6, say)
  checkSize(product(`-${version}-win-x64.zip`), 35.9, say)
  checkSize(product(`-${version}.tgz`), 1.5, say)
  const start = (command: string, ...args: readonly string[]): number => {
    const started = performance.now()
    execFileSync(command, [...args, 'keygen', '--json'], { env })
    return performance.now() - started
  }
  say(`first start: ${start(program).toFixed()} ms`)
  // By turns: what else the machine does hinders both alike.
  let [alone, node] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let turn = 0; turn < TURNS; turn++) {
    alone = Math.min(alone, start(program))
    node = Math.min(node, start(process.execPath, compiledFile))
  }
  say(`start: ${alone.toFixed()} ms; with Node: ${node.toFixed()} ms`)
  assert.ok(alone < node * 1.1, `it starts in ${alone.toFixed()} ms, Node in ${node.toFixed()} ms`)
})
