// The bench's programs in C: a link, and ends that take next to no time themselves.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from '../../test/support/process.js'
import { benchFolder } from './peers.js'

export interface CProgram {
  readonly file: string
  /** Deletes it. */
  remove(): void
}

/** Builds the program of this name, whose source lies beside this file's. */
export async function buildC(name: 'linkem' | 'ends'): Promise<CProgram> {
  const folder = mkdtempSync(join(tmpdir(), `hyper-nat-${name}-`))
  const file = join(folder, name)
  const args = ['-O2', '-pthread', '-o', file, join(benchFolder, `${name}.c`)]
  const { code, stderr } = await runProgram('gcc', args)
  if (code !== 0) throw new Error(`gcc ${args.join(' ')}: ${stderr}`)
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
