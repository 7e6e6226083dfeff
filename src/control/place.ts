/** Where the control sockets of a user's daemons are. See CONTROL.md. */
import { createHash } from 'node:crypto'
import { realpathSync, rmSync, statSync } from 'node:fs'
import { chmod, lstat, readdir, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { codeOf, HyperNatError } from '../errors.js'
import { makeFolder } from '../util/folder.js'
import { userName } from '../util/user-name.js'

/** Where to look for sockets, as a user has it: a folder, or none; left out: where this system has such things. */
export type ControlSetting = string | false | undefined

/** What the place depends on. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  /** The user's number; -1 where there are none. */
  readonly uid: number
  readonly user: string
  readonly tmpdir: string
}

/** Bytes of a socket's path at the most: 104 with the zero at its end on macOS, 108 on Linux. */
const PATH_MAX = 103

/** As long as the name of any socket. */
const LONGEST_NAME = '4294967295.sock'

const PIPES = '\\\\.\\pipe\\'

/** Ends the name of a file that tells of a daemon on Windows, where not every system lets pipes be listed. */
const NOTE = '.pid'

/** Permission bits of users other than the owner. */
const OTHERS = 0o077

export function thisMachine(env: Machine['env'] = process.env): Machine {
  return {
    platform: process.platform,
    env,
    uid: process.getuid?.() ?? -1,
    user: userName(),
    tmpdir: tmpdir()
  }
}

/** A folder of sockets; on Windows, of notes on which daemons run, and a part of the names of their pipes. */
export interface Folder {
  readonly path: string
  /** Whether its permissions are checked: a folder that the user named is taken as it is. */
  readonly ours: boolean
}

/** Folders to look in; daemons listen in the first. */
export function foldersOf(setting: string | undefined, machine: Machine): Folder[] {
  const { platform, env, uid, tmpdir } = machine
  if (setting !== undefined) return [fitting({ path: resolve(setting), ours: false }, machine)]
  if (platform === 'win32') {
    return [{ path: join(env.LOCALAPPDATA ?? tmpdir, 'hyper-nat', 'Daemons'), ours: true }]
  }
  const runtime = env.XDG_RUNTIME_DIR
  const paths =
    uid === 0
      ? [platform === 'linux' ? '/run/hyper-nat' : '/var/run/hyper-nat']
      : [
          ...(runtime && isAbsolute(runtime) && !isForeign(runtime, uid) ? [join(runtime, 'hyper-nat')] : []),
          join(tmpdir, `hyper-nat-${uid}`)
        ]
  return paths.map(path => fitting({ path, ours: true }, machine))
}

/**
 * Folders that {@link foldersOf} leaves out, where other daemons of this machine may listen: the usual ones where a user has named
 * another, root's, and for root those of the user who called `sudo`.
 */
export function otherFolders(setting: ControlSetting, machine: Machine): Folder[] {
  const { platform, env, uid } = machine
  const usual = foldersOf(undefined, machine)
  const caller = Number(env.SUDO_UID)
  const theirs =
    platform === 'win32' || uid < 0
      ? []
      : uid > 0
        ? foldersOf(undefined, { ...machine, uid: 0 })
        : caller > 0
          ? foldersOf(undefined, { ...machine, uid: caller, env: { XDG_RUNTIME_DIR: `/run/user/${caller}` } })
          : []
  const looked = typeof setting === 'string' ? foldersOf(setting, machine).map(({ path }) => path) : []
  return [...(setting === undefined ? [] : usual), ...theirs].filter(({ path }) => !looked.includes(path))
}

/** Whether a folder is another user's, as in a shell of `su`, which keeps the variables of the user who called it. */
function isForeign(path: string, uid: number): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    return found !== undefined && found.uid !== uid
  } catch {
    // It is in a folder of theirs.
    return true
  }
}

/** The folder, or a short one in its place where a socket's path would be too long. */
function fitting(folder: Folder, { platform, uid }: Machine): Folder {
  if (platform === 'win32' || Buffer.byteLength(join(folder.path, LONGEST_NAME)) <= PATH_MAX) return folder
  return { path: `/tmp/hyper-nat-${uid}-${hashOf(folder.path)}`, ours: true }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Where a daemon listens: a socket's path, or a pipe's name. */
export function addressOf({ path }: Folder, pid: number, machine: Machine): string {
  return machine.platform === 'win32' ? `${pipePrefix(path, machine)}${pid}` : join(path, `${pid}.sock`)
}

/** The process that listens at an address of {@link addressOf}. */
export function pidOf(address: string): number {
  return Number(/\d+(?=(\.sock)?$)/.exec(address)![0])
}

function pipePrefix(path: string, { user }: Machine): string {
  return `${PIPES}hyper-nat-${hashOf(`${user}\n${path}`)}-`
}

/** Addresses of daemons that run, or ran, in a folder. */
export async function addressesIn({ path, ours }: Folder, machine: Machine): Promise<string[]> {
  try {
    if (machine.platform === 'win32') {
      const notes = (await readdir(path)).filter(name => /^\d+\.pid$/.test(name))
      return notes.map(name => pipePrefix(path, machine) + name.slice(0, -NOTE.length))
    }
    // Who asks tells a daemon what to do: nobody else may pose as one.
    if (ours && !(await isPrivate(path, machine))) return []
    return (await readdir(path)).filter(name => /^\d+\.sock$/.test(name)).map(name => join(path, name))
  } catch (err) {
    if (codeOf(err) === 'ENOENT') return []
    throw new HyperNatError('CONTROL_FAILED', `The folder ${path} cannot be read (${codeOf(err)}).`, {
      cause: err
    })
  }
}

/**
 * Makes the folder, for its owner only, when there is none.
 * @throws HyperNatError CONTROL_FAILED when it cannot be made, or others could put something in its place
 */
export async function prepare({ path, ours }: Folder, machine: Machine): Promise<void> {
  try {
    const made = await makeFolder(path, 0o700)
    if (machine.platform === 'win32') return
    // The mask of this process may have taken bits away.
    if (made) await chmod(path, 0o700)
    if (!ours || (await isPrivate(path, machine))) return
  } catch (err) {
    const code = codeOf(err)
    throw failed(path, code === 'ENOENT' ? 'no folder can be made there' : code, err)
  }
  throw failed(path, 'other users own it, or can enter it')
}

/** Has others find the daemon that listens at {@link addressOf}. A socket is found by itself. */
export async function announce({ path }: Folder, pid: number, { platform }: Machine): Promise<void> {
  if (platform === 'win32') await writeFile(join(path, `${pid}${NOTE}`), '')
}

/** Removes what {@link announce} has made; at once, as the process may be about to end. */
export function withdraw({ path }: Folder, pid: number, { platform }: Machine): void {
  if (platform === 'win32') rmSync(join(path, `${pid}${NOTE}`), { force: true })
}

/** Removes what a daemon has left that did not end by itself. */
export async function clear(address: string, folder: Folder, machine: Machine): Promise<void> {
  if (machine.platform === 'win32') withdraw(folder, pidOf(address), machine)
  else await unlink(address)
}

/** Whether only this user owns the folder, and can enter it. */
async function isPrivate(path: string, { uid }: Machine): Promise<boolean> {
  const found = await lstat(path)
  return found.isDirectory() && found.uid === uid && (found.mode & OTHERS) === 0
}

function failed(path: string, why: string, cause?: unknown): HyperNatError {
  return new HyperNatError(
    'CONTROL_FAILED',
    `There is no control socket, so that status, stop, reload and logs do not work: ${path} cannot be used (${why}). Name another folder with --control, or say --control off.`,
    { cause }
  )
}

/** The real path of an options file, by which daemons are distinguished. */
export function realFile(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

/** Whether two paths of {@link realFile} are the same file. Windows ignores case, and shells there write `c:` as well as `C:`. */
export function isSameFile(one: string | null, other: string, { platform }: Machine): boolean {
  return platform === 'win32' ? one?.toLowerCase() === other.toLowerCase() : one === other
}
