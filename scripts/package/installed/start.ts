#!/usr/bin/env node
/** Where the program that npm installs starts: what it is made of is one script, whose compiled code is kept. */
import { closeSync, openSync, readSync } from 'node:fs'
import nodeModule, { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { cacheCompiledCode } from '../../../src/engine.js'

const PIECE_BYTES = 64 * 1024

const require = createRequire(import.meta.url)
const program = fileURLToPath(new URL('program.js', import.meta.url))

// Node keeps compiled code of what `require` loads, since 22.1.
if ('enableCompileCache' in nodeModule) {
  cacheCompiledCode()
  require(program)
} else run(textOf(program))

/**
 * Runs the program as `require` does. That reads a file into one block: when it is freed, glibc raises what it keeps of freed memory
 * to twice the size of the block, and 3 MB that loading took are never given back to the system.
 */
function run(text: string): void {
  const names = ['exports', 'require', 'module', '__filename', '__dirname']
  const module = { exports: {} }
  const load = vm.compileFunction(text, names, {
    filename: program,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  load(module.exports, require, module, program, dirname(program))
}

/** It is ASCII: esbuild escapes all else. */
function textOf(path: string): string {
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  const file = openSync(path, 'r')
  let text = ''
  for (;;) {
    const bytes = readSync(file, piece, 0, PIECE_BYTES, null)
    if (bytes === 0) break
    text += piece.toString('latin1', 0, bytes)
  }
  closeSync(file)
  return text
}
