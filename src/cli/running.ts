/** The daemons that commands are about: found by their control sockets, chosen by flags. */

import { existsSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
import type { Options as Flag } from 'yargs'
import type { DaemonChoice, FoundDaemon } from '../control/client.js'
import type { ControlSetting, Machine } from '../control/place.js'
import type { DaemonStatus, Reloaded, Who } from '../control/wire.js'
import { type Fault, HyperNatError, OptionsError, oneLine } from '../errors.js'
import { CONTROL_LIMITS } from '../limits.js'
import { type Arguments, text } from './command.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'
import { number } from './numbers.js'
import { controlOf } from './shared-flags.js'

/** Process numbers of Windows have 32 bits, those of other systems fewer. */
const PID_MAX = 2 ** 32 - 1

export const runningFlags: Readonly<Record<string, Flag>> = {
  config: { alias: 'c', type: 'string', describe: 'The one that runs from this options file' },
  pid: { type: 'string', describe: 'The one with this process number' }
}

/** @throws OptionsError for a number that is none */
export async function choiceOf(args: Arguments, context: Pick<CliContext, 'env'>): Promise<DaemonChoice> {
  const faults: Fault[] = []
  const pid = number(args, 'pid', { min: 1, max: PID_MAX }, faults)
  if (faults.length > 0) throw new OptionsError(faults)
  return { ...(await fileChoice(text(args, 'config'), args, context)), pid }
}

/** A daemon that runs from a file listens where the file says, unless a flag or the environment names another place. */
async function fileChoice(
  file: string | undefined,
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<DaemonChoice> {
  const control = controlOf(args, context)
  if (file === undefined || control !== undefined) return { control, file }
  const { controlIn } = await import('../options/file.js')
  return { control: await controlIn(file), file }
}

/**
 * Those that were chosen, one or more: to be closed.
 * @throws HyperNatError NOT_RUNNING when there is none
 */
export async function runningOnes(choice: DaemonChoice): Promise<FoundDaemon[]> {
  const { findDaemons } = await import('../control/client.js')
  const found = await findDaemons(choice)
  if (found.length > 0) return found
  const { file, pid } = choice
  const which = [
    ...(pid === undefined ? [] : [`with the process number ${pid}`]),
    ...(file === undefined ? [] : [`from ${file}`])
  ]
  throw new HyperNatError(
    'NOT_RUNNING',
    `No hyper-nat of this user is running${which.length > 0 ? ` ${which.join(' and ')}` : ''}.${serviceFolder(choice)}${await elsewhere(choice.control)}`
  )
}

/** Where other daemons of this machine run, as sentences. */
export async function elsewhere(control: ControlSetting, machine?: Machine): Promise<string> {
  const { addressesIn, otherFolders, thisMachine } = await import('../control/place.js')
  const here = machine ?? thisMachine()
  const hints = otherFolders(control, here).map(async ({ path }) => {
    if (!existsSync(path)) return ''
    try {
      const found = await addressesIn({ path, ours: false }, here)
      return found.length === 0 ? '' : ` For those in ${path}, add --control ${path}.`
    } catch {
      // Only root can read its own folder.
      return ' For those of root, put sudo in front.'
    }
  })
  return (await Promise.all(hints)).join('')
}

/** The folder of the machine's service, which is not searched unasked. */
function serviceFolder({ control }: DaemonChoice): string {
  const folders =
    process.platform === 'win32' ? [] : SERVICE_FOLDERS.filter(one => one !== control && existsSync(one))
  return folders.map(one => ` For the service of this machine, add --control ${one}.`).join('')
}

/** systemd makes it for `service install --system` of an options file that root owns. */
const SERVICE_FOLDERS = ['/run/hyper-nat-service']

/**
 * The one that was chosen, or the only one: to be closed.
 * @throws HyperNatError NOT_RUNNING, SEVERAL_DAEMONS
 */
export async function runningOne(choice: DaemonChoice): Promise<FoundDaemon> {
  const found = await runningOnes(choice)
  if (found.length === 1) return found[0]!
  for (const { control } of found) control.close()
  throw new HyperNatError(
    'SEVERAL_DAEMONS',
    `${found.length} of them are running: choose one with --pid or -c. They are ${found.map(({ who }) => whoText(who)).join(', ')}.`
  )
}

/** `1234 (/home/anna/options.json)`. */
export function whoText({ pid, file }: Who): string {
  return `${pid} (${file ?? 'without a file'})`
}

/** The daemon that runs from a file: to be closed. Null if there is none. */
export async function runningFrom(
  file: string,
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<FoundDaemon | null> {
  const { findDaemons } = await import('../control/client.js')
  const [found, ...others] = await findDaemons(await fileChoice(file, args, context)).catch(() => [])
  for (const { control } of others) control.close()
  return found ?? null
}

/** The daemons of this user: to be closed. What cannot be asked is as if it were not there. */
async function allRunning(args: Arguments, context: Pick<CliContext, 'env'>): Promise<FoundDaemon[]> {
  const { findDaemons } = await import('../control/client.js')
  return findDaemons({ control: controlOf(args, context) }).catch(() => [])
}

/** The options files that the daemons of this user run from; null for one without a file. */
export async function runningFiles(
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<(string | null)[]> {
  const found = await allRunning(args, context)
  for (const { control } of found) control.close()
  return [...new Set(found.map(({ who }) => who.file))]
}

/** A daemon of this user, and how it is. */
export interface Running {
  readonly who: Who
  readonly status: DaemonStatus
}

/** The daemons of this user, and how they are. */
export async function runningStatuses(args: Arguments, context: Pick<CliContext, 'env'>): Promise<Running[]> {
  const found = await allRunning(args, context)
  const all = await Promise.all(
    found.map(async ({ who, control }) => {
      const status = await control.ask('status', CONTROL_LIMITS.whoMs).catch(() => null)
      control.close()
      return status === null ? [] : [{ who, status }]
    })
  )
  return all.flat()
}

/** Those to whom 127.0.0.1 is the same as to this process. */
export async function onOurLoopback(running: readonly Running[]): Promise<Running[]> {
  const near = await Promise.all(running.map(({ who }) => hasOurLoopback(who.pid)))
  return running.filter((_, i) => near[i])
}

/** On Linux, a process in a network of its own may share our files. */
async function hasOurLoopback(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const network = (process: number | 'self') => readlink(`/proc/${process}/ns/net`).catch(() => null)
  const [ours, theirs] = await Promise.all([network('self'), network(pid)])
  return ours !== null && ours === theirs
}

/** What became of a change of the file of a running daemon. */
export interface Taken {
  /** Whether it is in use; null where nothing runs from this file. */
  readonly applied: boolean | null
  /** Why not. */
  readonly why: string
}

/** Has the daemons that run from a file read it at once, if there are any. They would notice by themselves within a second. */
export async function tellChanged(
  file: string,
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<Taken> {
  const { findDaemons } = await import('../control/client.js')
  let found: readonly FoundDaemon[] = []
  try {
    found = await findDaemons(await fileChoice(file, args, context))
    if (found.length === 0) return { applied: null, why: '' }
    await Promise.all(found.map(({ control }) => control.ask('reload', CONTROL_LIMITS.whoMs)))
    return { applied: true, why: '' }
  } catch (err) {
    // It is silent or late, cannot read the file, or finds fault with something else in it.
    return { applied: false, why: oneLine(err) }
  } finally {
    for (const { control } of found) control.close()
  }
}

/** What is said of a guest who is shut out while the daemon is silent. The file is written, which counts at the next start at the latest. */
export function notApplied(why: string): string {
  return `The running hyper-nat has not confirmed it, so the guest may still be connected: ${why}\nhyper-nat reload tries again.\n`
}

/** What came of a reload, for people. */
export function reloadedText({ added, removed, restart }: Reloaded): string {
  const counts = [
    ...(added.length > 0 ? [`${counted(added.length, 'port')} added`] : []),
    ...(removed.length > 0 ? [`${counted(removed.length, 'port')} removed`] : [])
  ]
  const waits =
    restart.length > 0 ? `Restart hyper-nat to apply what changed in ${restart.join(', ')}.\n` : ''
  return `Reloaded the options${counts.length > 0 ? `: ${counts.join(', ')}` : ''}.\n${waits}`
}
