// The program for Linux on arm64, in an emulator.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runProgram } from '../support/process.js'
import { findProgram, missing } from '../support/programs.js'
import { staged } from '../support/stage.js'
import { carryBytes, linuxSide, notHere, product, version } from './products.js'

const QEMU = findProgram('qemu-aarch64-static') ?? findProgram('qemu-aarch64') ?? 'qemu-aarch64-static'

/** Where Debian's packages for cross-compiling have the libraries. */
const LIBRARIES = '/usr/aarch64-linux-gnu'

const program = [QEMU, '-L', LIBRARIES, product(`-${version}-linux-arm64`)]

const reason =
  notHere ||
  (missing('qemu-aarch64') && missing('qemu-aarch64-static')) ||
  (!process.env.CI && !existsSync(join(LIBRARIES, 'lib', 'libstdc++.so.6')) && `no libraries in ${LIBRARIES}`)

test('it loads its addons', { skip: reason }, async t => {
  const home = mkdtempSync(join(tmpdir(), 'hyper-nat-home-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, HOME: home }
  const [command = '', ...args] = program
  for (const [words, expected] of [
    [['id'], /^\w{43,44}\n$/],
    [['games'], /minecraft-java/]
  ] as const) {
    const { code, stdout, stderr } = await runProgram(command, [...args, ...words], { env, ms: 100_000 })
    assert.equal(code, 0, stderr)
    assert.match(stdout, expected)
  }
})

staged(
  'it carries bytes as a host and as a guest',
  async stage => {
    await carryBytes(stage, linuxSide(program), linuxSide(), 256 << 10)
    await carryBytes(stage, linuxSide(), linuxSide(program), 256 << 10)
  },
  { skip: reason, timeout: 390_000 }
)
