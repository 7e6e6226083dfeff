/** Does the steps of a plan, and finds out what they are about: the only place of this room that touches the machine. */
import { execFile } from 'node:child_process'
import { rm, stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf, HyperNatError } from '../errors.js'
import { SERVICE_COMMAND_MS } from '../limits.js'
import type { Entry, Options } from '../options/entry.js'
import { isSocketPath, socketPath } from '../text/socket-path.js'
import { homeFolder, userFolders } from '../user-folders.js'
import { makeFolder } from '../util/folder.js'
import { userName } from '../util/user-name.js'
import { launchdPlan } from './launchd.js'
import type { ServiceParts, ServicePlan, Step } from './plan.js'
import { systemdPlan } from './systemd.js'
import { windowsPlan } from './windows.js'

/** Ports that only the system's own programs may listen on. */
const LOW_PORTS = 1024

/** How a program ended. */
export interface Ran {
  /** The exit code, or the system's code where it could not be started, or was ended. */
  readonly code: number | string
  readonly text: string
}

/** What is to be installed here. */
export async function partsHere(
  scope: ServiceParts['scope'],
  program: readonly string[],
  file: string,
  options?: Options
): Promise<ServiceParts> {
  const path = resolve(file)
  const username = userName()
  return {
    scope,
    program,
    options: path,
    identity: options?.identity,
    logFile: options?.log?.file,
    control: options?.control,
    ...socketsIn(options),
    friends: friendsIn(options),
    tlsFiles: Object.values(options?.network.tcp?.tls ?? {}),
    owner: options ? await ownerOf(path) : null,
    home: homeFolder(),
    // systemd looks here, whatever the name of the program.
    config: dirname(userFolders().config),
    uid: ownUid(),
    account: process.env.USERDOMAIN ? `${process.env.USERDOMAIN}\\${username}` : username,
    lowPorts: options !== undefined && listenedPorts(options).some(port => port > 0 && port < LOW_PORTS)
  }
}

function friendsIn(options?: Options): string[] {
  const names = options?.entries.flatMap(entry =>
    entry.mode === 'client' && entry.friend !== undefined ? [entry.friend] : []
  )
  return [...new Set(names)]
}

function socketsIn(options?: Options): Pick<ServiceParts, 'sockets' | 'targetSockets'> {
  const pathsOf = (mode: Entry['mode']): string[] => {
    const hosts = options?.entries.flatMap(entry => (entry.mode === mode ? hostOf(entry) : []))
    return [...new Set(hosts?.flatMap(host => socketPath(host) ?? []))]
  }
  return { sockets: pathsOf('client'), targetSockets: pathsOf('server') }
}

/** Where an entry's end on this computer is. */
function hostOf(entry: Entry): string {
  return entry.mode === 'client' ? entry.localHost : entry.host
}

/** Those that this daemon listens on, whatever for; 0 is any free one. */
function listenedPorts({ entries, network, metrics, ui }: Options): number[] {
  const local = entries.map(entry =>
    entry.mode === 'client' && !isSocketPath(entry.localHost) ? entry.localPort : 0
  )
  return [...local, network.tcp?.port ?? 0, metrics?.port ?? 0, ui?.port ?? 0]
}

/** -1 on Windows, which has none. */
function ownUid(): number {
  return process.getuid?.() ?? -1
}

async function ownerOf(path: string): Promise<string | null> {
  if (process.platform === 'win32') return null
  const { uid } = await stat(path)
  if (uid === 0) return null
  if (uid === ownUid()) return userName()
  // launchd wants a name, systemd takes numbers.
  const { text, code } = await runCommand(['id', '-nu', String(uid)])
  return code === 0 ? text.trim() : String(uid)
}

/**
 * How this system runs a service.
 * @throws HyperNatError UNSUPPORTED
 */
export function planFor(parts: ServiceParts, platform: NodeJS.Platform = process.platform): ServicePlan {
  if (platform === 'linux') return systemdPlan(parts)
  if (platform === 'darwin') return launchdPlan(parts)
  if (platform === 'win32') return windowsPlan(parts)
  throw new HyperNatError(
    'UNSUPPORTED',
    `There is no kind of service for ${platform} here: let the system's own means start hyper-nat -c FILE.`
  )
}

/**
 * Does it, step by step; stops at the first that fails.
 * @throws HyperNatError SERVICE_FAILED
 */
export async function apply(steps: readonly Step[], said: (text: string) => void): Promise<void> {
  for (const step of steps) {
    if (step.do === 'run') await runStep(step, said)
    else await changeFile(step)
  }
}

async function changeFile(step: Exclude<Step, { do: 'run' }>): Promise<void> {
  const { path } = step
  try {
    if (step.do === 'remove') return await rm(path, { force: true })
    await makeFolder(dirname(path))
    await writeFile(path, step.text, { mode: step.mode, encoding: step.encoding ?? 'utf8' })
  } catch (cause) {
    const code = codeOf(cause)
    const hint =
      code === 'EACCES' || code === 'EPERM' ? '; with --system it takes an administrator (sudo)' : ''
    throw new HyperNatError(
      'SERVICE_FAILED',
      `${path} cannot be ${step.do === 'write' ? 'written' : 'removed'} (${code})${hint}.`,
      {
        cause
      }
    )
  }
}

async function runStep(
  { command, mayFail }: Extract<Step, { do: 'run' }>,
  said: (text: string) => void
): Promise<void> {
  const { code, text } = await runCommand(command)
  if (mayFail) return
  if (text !== '') said(text)
  if (code === 0) return
  const why = code === 'ENOENT' ? 'there is no such program here' : `it ended with ${code}`
  throw new HyperNatError('SERVICE_FAILED', `"${command.join(' ')}" did not succeed: ${why}.`)
}

/** Runs a program to its end; what it prints on both streams is one text. */
export function runCommand(command: readonly string[]): Promise<Ran> {
  const [program = '', ...words] = command
  return new Promise(resolve => {
    execFile(program, words, { timeout: SERVICE_COMMAND_MS, windowsHide: true }, (err, stdout, stderr) =>
      resolve({ code: err ? (err.code ?? String(err.signal)) : 0, text: stdout + stderr })
    )
  })
}
