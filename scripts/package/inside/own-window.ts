/**
 * A double-click on Windows: the program gets a window of its own, without a command and without anybody who reads what is in a
 * terminal. It opens the page then, and its window stays when something fails.
 */
import { existsSync, mkdirSync, readSync } from 'node:fs'
import { win32 } from 'node:path'
import { isatty } from 'node:tty'

/** The file that is run where the program is, as from a terminal. */
const HERE = 'options.json'

const STDIN = 0
const STDOUT = 1

export interface Start {
  readonly platform: NodeJS.Platform
  readonly execPath: string
  /** What stands behind the program's name. */
  readonly words: readonly string[]
  /** Of the console window; Windows gives a new one the path of what was opened: the program, or a shortcut to it. */
  readonly title: string
  /** Whether stdin and stdout are that window. */
  readonly isTerminal: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether there are options where it was started. */
  readonly hasOptions: boolean
}

/** Whether the window was made for this process, and closes with it. */
export function hasOwnWindow({ platform, execPath, title, isTerminal }: Start): boolean {
  if (platform !== 'win32' || !isTerminal) return false
  return title.toLowerCase() === execPath.toLowerCase() || /^[a-z]:\\.*\.lnk$/i.test(title)
}

/** The words to go on with in place of none; null to go on as it is. */
export function pageWords(start: Start): string[] | null {
  const { words, env, hasOptions } = start
  if (words.length > 0 || hasOptions || !env.APPDATA || !hasOwnWindow(start)) return null
  // Not where the program lies: that is the folder for downloads.
  return ['ui', '-c', win32.join(env.APPDATA, 'hyper-nat', 'Config', 'options.json')]
}

const start: Start = {
  platform: process.platform,
  execPath: process.execPath,
  words: process.argv.slice(2),
  title: process.platform === 'win32' ? process.title : '',
  // Not process.stdin, which would be opened, and cannot always be.
  isTerminal: isatty(STDIN) && isatty(STDOUT),
  env: process.env,
  hasOptions: existsSync(HERE)
}

if (hasOwnWindow(start)) {
  const words = pageWords(start)
  if (words) {
    mkdirSync(win32.dirname(words[2]!), { recursive: true })
    process.argv.push(...words)
  }
  process.title = 'hyper-nat'
  const page = words !== null || start.words[0] === 'ui'
  if (page) process.stdout.write('hyper-nat opens in your browser. To stop it, close this window.\n\n')
  process.on('exit', code => {
    if (code === 0) return
    process.stdout.write('\nPress Enter to close this window.')
    try {
      readSync(STDIN, Buffer.alloc(1))
    } catch {
      // The window is closed already.
    }
  })
}
