/** The words by which this program is started again where it was started: what messages tell people to type. */
import { posix, win32 } from 'node:path'

/** How the program was started. */
export interface Started {
  readonly platform: NodeJS.Platform
  readonly isSingleFile: boolean
  readonly execPath: string
  /** The script that Node runs, as it was named: a link in a folder of PATH, where npm has installed it. */
  readonly script: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export const NAME = 'hyper-nat'

/** Commands that messages advise to run here: those that are for other computers (`id`, `relay`) are not among them. */
const ADVISED =
  /\bhyper-nat (?=(?:help|ui|host|join|friends|games|learn|server|client|connect|ticket|guests|invite|revoke|block|unblock|service|reload|stop|status|logs|doctor|ping|keygen)\b)/g

/** A message with the commands in it as they are typed here. */
export function inOwnWords(text: string, name: string): string {
  return name === NAME ? text : text.replaceAll(ADVISED, () => `${name} `)
}

/** Where npx keeps what it runs once. */
export const NPX_CACHE = /[\\/]_npx[\\/]/

export function ownName(started: Started): string {
  return started.isSingleFile ? nameOfProgram(started) : nameOfScript(started)
}

function nameOfProgram({ platform, execPath, cwd, env }: Started): string {
  const windows = platform === 'win32'
  const { basename, dirname, extname, sep } = windows ? win32 : posix
  const folder = dirname(execPath)
  if (isInPath(folder, windows, env)) return basename(execPath, windows ? extname(execPath) : '')
  return quoted(folder === cwd ? `.${sep}${basename(execPath)}` : execPath)
}

function nameOfScript({ platform, script, cwd, env }: Started): string {
  if (NPX_CACHE.test(script)) return `npx ${NAME}`
  const windows = platform === 'win32'
  const { basename, dirname, relative } = windows ? win32 : posix
  if (basename(script) === NAME && isInPath(dirname(script), windows, env)) return NAME
  // npm starts it by its whole path on Windows, from the folder that its command is in.
  const [, prefix] = /^(.*)[\\/]node_modules[\\/]hyper-nat[\\/]/.exec(script) ?? []
  if (prefix !== undefined && isInPath(prefix, windows, env)) return NAME
  if (/[\\/]node_modules[\\/]/.test(script)) return `npx ${NAME}`
  const path = relative(cwd, script)
  return `node ${quoted(path.startsWith('..') ? script : path)}`
}

function isInPath(folder: string, windows: boolean, env: Started['env']): boolean {
  const { delimiter, normalize } = windows ? win32 : posix
  const bare = (path: string): string => {
    const plain = normalize(path).replace(/[\\/]$/, '')
    return windows ? plain.toLowerCase() : plain
  }
  // Windows does not care about the case of the name.
  const path = env.PATH ?? (windows ? env.Path : undefined) ?? ''
  return path.split(delimiter).some(one => one !== '' && bare(one) === bare(folder))
}

function quoted(path: string): string {
  return /\s/.test(path) ? `"${path}"` : path
}
