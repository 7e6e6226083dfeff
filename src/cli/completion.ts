/** `hyper-nat completion`: what a shell needs to complete commands and flags. */

import type { Argv } from 'yargs'
import { type Arguments, type Command, type Job, words } from './command.js'
import type { CliContext } from './context.js'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const

type Shell = (typeof SHELLS)[number]

export const completion: Command = {
  name: 'completion',
  describe: 'Print a completion script for bash, zsh, fish or PowerShell',
  positional: { name: 'shell', describe: 'One of them; the one in $SHELL if left out' },
  flags: {},
  examples: [['hyper-nat completion fish > ~/.config/fish/completions/hyper-nat.fish', 'for good, in fish']],
  subject: () => 'hyper-nat completion',
  job
}

async function job(args: Arguments, { env }: CliContext): Promise<Job> {
  const [given = shellIn(env.SHELL), ...more] = words(args, 'shell')
  const shell = SHELLS.find(one => one === given)
  if (!shell || more.length > 0) {
    const { OptionsError } = await import('../errors.js')
    const { oneOf, quote } = await import('../text/quote.js')
    const message = `${shell ? 'are several' : `is ${quote(given)}`}; give ${oneOf(SHELLS)}`
    throw new OptionsError([{ path: 'SHELL', message }], 'BAD_USAGE')
  }
  const script = await scriptFor(shell)
  return { answer: { text: script, json: { event: 'completion', shell, script } } }
}

/** Windows PowerShell drops empty words, so that the one that is begun next is a blank. */
const POWERSHELL = `# Installation: hyper-nat completion powershell >> $PROFILE
Register-ArgumentCompleter -Native -CommandName hyper-nat -ScriptBlock {
  param($word, $line, $cursor)
  $words = @($line.CommandElements | ForEach-Object { $_.ToString() })
  if ($word -eq '') { $words += ' ' }
  hyper-nat --get-yargs-completions @words | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`

/** That of yargs has fish never offer files; here it does where there is nothing else. */
const FISH = `# Installation: hyper-nat completion fish > ~/.config/fish/completions/hyper-nat.fish
function __hyper_nat_complete
  set -l found (env SHELL=fish hyper-nat --get-yargs-completions (commandline -o)[2..-1] | string match -r '.+')
  if set -q found[1]
    string join \\n -- $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -f -c hyper-nat -a '(__hyper_nat_complete)'
`

/** Other shells than those, and systems without the variable, may have bash at least. */
function shellIn(path = ''): Shell {
  return SHELLS.find(shell => path.includes(shell)) ?? 'bash'
}

async function scriptFor(shell: Shell): Promise<string> {
  if (shell === 'powershell') return POWERSHELL
  if (shell === 'fish') return FISH
  const { default: yargs } = await import('yargs')
  // yargs looks there only, and when it is made.
  const { SHELL, ZSH_NAME } = process.env
  let parser: Argv
  try {
    process.env.SHELL = shell
    delete process.env.ZSH_NAME
    parser = yargs()
  } finally {
    restore('SHELL', SHELL)
    restore('ZSH_NAME', ZSH_NAME)
  }
  let script = ''
  parser.exitProcess(false).command('$0', '', {}, () => {
    // The types do not know that the name of the program can be given.
    ;(parser.showCompletionScript as (name: string, command: string) => unknown)(
      'hyper-nat',
      `completion ${shell}`
    )
  })
  await parser.parseAsync([], {}, (_err: unknown, _args: unknown, output: string) => {
    script = output
  })
  // $SHELL is the shell that one logs in with, not the one that asks: each wants its answers in a form of its own.
  return `${script.replace('hyper-nat --get-yargs', `env SHELL=${shell} hyper-nat --get-yargs`).trim()}\n`
}

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}
