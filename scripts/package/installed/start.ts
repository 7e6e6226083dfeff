#!/usr/bin/env node
/** Where the program that npm installs starts: what it is made of is one script, whose compiled code is kept. */
import { closeSync, openSync, readSync } from 'node:fs'
import nodeModule, { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { cacheCompiledCode } from '../../../src/engine.js'

const PIECE_BYTES = 64 * 1024

const require = createRequire(import.meta.url)
const program = fileURLToPath(new URL('program.js', import.meta.url))

// Node keeps compiled code of what `require` loads, since 22.1.
if ('enableCompileCache' in nodeModule) {
  cacheCompiledCode()
  require(program)
} else run(textOf(program))

/** Not in Node's documents; all that translates modules as they are loaded uses it. */
interface Compiled extends nodeModule {
  _compile(text: string, filename: string): void
}

/**
 * Runs the program as `require` does. That reads a file into one block: when it is freed, glibc raises what it keeps of freed memory
 * to twice the size of the block, and 3 MB that loading took are never given back to the system.
 */
function run(text: string): void {
  const module = new nodeModule(program) as Compiled
  module.filename = program
  // With `vm`, each `import()` of the program would print that it is experimental.
  module._compile(text, program)
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
