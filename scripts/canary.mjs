// `npm run canary`: the tests, in a copy of this folder, with the newest versions of the packages whose private members are used.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** Pinned in package.json; see src/network/internals.ts. */
const PACKAGES = [
  'hyperdht',
  'hyperswarm',
  '@hyperswarm/secret-stream',
  'blind-relay',
  'dht-rpc',
  'udx-native'
]

/** Made by builds and installs, or of no use to tests. */
const LEFT_OUT = new Set(['.git', 'dist', 'node_modules'])

/**
 * @param root this folder
 * @param args groups of tests; all if there are none
 * @returns an exit code
 */
export async function canary(root, args) {
  const copy = mkdtempSync(join(tmpdir(), 'hyper-nat-canary-'))
  cpSync(root, copy, { recursive: true, filter: source => !LEFT_OUT.has(basename(source)) })
  const before = versions(copy)
  // npm is a .cmd on Windows, which only a shell can start.
  const shell = process.platform === 'win32'
  // The script `prepare` builds, which the tests do anyway.
  const install = ['install', '--save-exact', '--ignore-scripts', ...PACKAGES.map(name => `${name}@latest`)]
  let code = await run(copy, 'npm', install, { shell })
  const after = versions(copy)
  for (const name of PACKAGES) {
    const change = after[name] === before[name] ? 'is the newest' : `-> ${after[name]}`
    console.log(`${name} ${before[name]} ${change}`)
  }
  const env = { ...process.env, HYPER_NAT_CANARY: '1' }
  code ||= await run(copy, process.execPath, [join('scripts', 'run.mjs'), 'test', ...args], { env })
  if (code === 0) rmSync(copy, { recursive: true, force: true })
  else console.error(`The copy is kept: ${copy}`)
  return code
}

function versions(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).dependencies
}

function run(cwd, command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', ...options })
    child.on('error', reject)
    child.on('close', code => resolve(code ?? 1))
  })
}
