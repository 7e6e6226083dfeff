// What the shell knows of hyper-nat: completion in real shells, and the manual page.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { manPage } from '../../src/cli/man.js'
import { commands } from '../../src/cli/program.js'
import { mainFile } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { missing, programPath } from '../support/programs.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-shells-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'hyper-nat'), `#!/bin/sh\nexec "${process.execPath}" "${mainFile}" "$@"\n`, {
  mode: 0o755
})

/** How each shell is asked what would come next, and prints one answer on a line. */
const SHELLS: Record<string, { flags: string[]; ask: (words: string[]) => string }> = {
  bash: {
    flags: ['--norc', '-c'],
    ask: words =>
      `COMP_WORDS=(${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
       _hyper-nat_yargs_completions; printf '%s\\n' "\${COMPREPLY[@]}"`
  },
  zsh: {
    flags: ['-f', '-c'],
    ask: words =>
      `words=(${words.map(word => `'${word}'`).join(' ')}); CURRENT=${words.length}; BUFFER='${words.join(' ')}'
       _describe() { print -rl -- $reply }
       _hyper-nat_yargs_completions`
  },
  fish: { flags: ['--no-config', '-c'], ask: words => `complete -C '${words.join(' ')}'` }
}

for (const [shell, { flags, ask }] of Object.entries(SHELLS)) {
  test(`completion in ${shell}`, { skip: missing(shell) }, async () => {
    const path = programPath(shell)
    // Not everybody logs in with the shell that they use.
    const env = {
      HOME: folder,
      PATH: `${folder}:/usr/bin:/bin`,
      SHELL: shell === 'fish' ? '/bin/bash' : '/usr/bin/fish'
    }
    const script = join(folder, `completion.${shell}`)
    const made = await runProgram(join(folder, 'hyper-nat'), ['completion', shell], { env })
    assert.equal(made.code, 0)
    const unnamed = await runProgram(join(folder, 'hyper-nat'), ['completion'], {
      env: { ...env, SHELL: path }
    })
    assert.equal(unnamed.stdout, made.stdout)
    writeFileSync(script, made.stdout)
    const complete = async (...words: string[]): Promise<string[]> => {
      const code = `compdef() { :; }\nsource '${script}'\n${ask(words)}`
      const asked = shell === 'fish' ? code.replace(/^.*\n/, '') : code
      const { stdout, stderr } = await runProgram(path, [...flags, asked], { env })
      assert.equal(stderr, '')
      // What it is stands behind it, in shells that show that.
      return stdout.split('\n').map(line => line.split(/[:\t]/)[0]!)
    }
    const names = await complete('hyper-nat', '')
    for (const { name } of commands) assert.equal(names.includes(name), name !== '$0', name)
    assert.ok((await complete('hyper-nat', 'server', '--')).includes('--secret-file'))
    assert.ok((await complete('hyper-nat', 'service', '--')).includes('--dry-run'))
    assert.ok(!(await complete('hyper-nat', 'service', '--')).includes('--secret-file'))
  })
}

test('fish offers files where a flag wants one', { skip: missing('fish') }, async () => {
  const env = { HOME: folder, PATH: `${folder}:/usr/bin:/bin`, SHELL: '/bin/bash' }
  const made = await runProgram(join(folder, 'hyper-nat'), ['completion', 'fish'], { env })
  const script = join(folder, 'files.fish')
  writeFileSync(script, made.stdout)
  const complete = async (words: string): Promise<string> => {
    const asked = `source '${script}'\ncomplete -C '${words}'`
    return (await runProgram(programPath('fish'), ['--no-config', '-c', asked], { env })).stdout
  }
  const begun = join(folder, 'files.f')
  assert.match(await complete(`hyper-nat -c ${begun}`), /files\.fish$/m)
  assert.match(await complete(`hyper-nat server --secret-file ${begun}`), /files\.fish$/m)
  assert.match(await complete('hyper-nat ser'), /^server\b/m)
  assert.doesNotMatch(await complete('hyper-nat '), /files\.fish/)
})

test('what is built starts by its own name, as it does in the container', {
  skip: process.platform === 'win32' && 'npm makes starters there'
}, async () => {
  const { code, stdout } = await runProgram(mainFile, ['--version'], {
    env: { PATH: process.env.PATH ?? '' }
  })
  assert.equal(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

test('the manual page has every command with its flags', () => {
  const page = manPage('1.2.3').replaceAll('\\-', '-')
  for (const { name, flags } of commands) {
    const [, section = ''] = page.split(
      name === '$0' ? '\n.SS hyper-nat\n' : new RegExp(`\n\\.SS hyper-nat ${name}\\b`)
    )
    const own = section.split(/\n\.S[SH] /)[0]!
    for (const flag of Object.keys(flags)) assert.ok(own.includes(`--${flag}\\fR`), `${name} --${flag}`)
  }
})

test('the manual page is good roff', { skip: missing('mandoc') }, async () => {
  const file = join(folder, 'hyper-nat.1')
  writeFileSync(file, manPage('1.2.3'))
  // Without a day it says the same whenever it is built; mandoc warns of that.
  const lint = await runProgram(programPath('mandoc'), ['-T', 'lint', '-W', 'warning', file])
  const said = lint.stdout.split('\n').filter(line => line !== '' && !/missing date/.test(line))
  assert.deepEqual(said, [])
  const { stdout } = await runProgram(programPath('mandoc'), ['-T', 'ascii', file])
  assert.match(stdout.replace(/.[\b]/g, ''), /-p, --port value\n\s+Port\(s\) to share/)
})
