import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../../test/support/process.js'

/** The project's folder; this file runs from dist/scripts/bench. */
export const projectFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
export const benchFolder = join(projectFolder, 'scripts', 'bench')
export const peersFolder = join(benchFolder, 'peers')

/** Installs the peers beside their package.json, at their locked versions, if that has not been done. */
export async function installPeers(): Promise<void> {
  if (existsSync(join(peersFolder, 'node_modules', '.package-lock.json'))) return
  console.log('Installing hyper-nat 1.1.3 and hypertele to measure against ..')
  const shell = process.platform === 'win32'
  const { code, stderr } = await runProgram('npm', ['ci'], { cwd: peersFolder, shell, ms: 300_000 })
  if (code !== 0) throw new Error(`the peers could not be installed:\n${stderr}`)
}
