/** options.json on disk: the only place of this room that touches the outside world. */

import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { codeOf, HyperNatError, OptionsError } from '../errors.js'
import { userFolders } from '../user-folders.js'
import { decodeText } from '../util/decode-text.js'
import { checkOptions } from './check.js'
import type { Options, Warning } from './entry.js'
import { looseJson, parseJson } from './json.js'
import { type NetworkFlag, networkPlaces, withNetwork } from './network-flags.js'
import { filePlaces } from './places.js'

/** Permission bits that let users other than the owner read a file. */
const READABLE_BY_OTHERS = 0o044

/**
 * Checks and expands the text of an options.json. Comments and trailing commas are accepted.
 * @param bootstrap nodes that go before those in the text
 * @param relay relays that go before those in the text
 * @throws OptionsError `BAD_OPTIONS` with every fault found
 */
export function parseOptions(text: string, bootstrap?: NetworkFlag, relay?: NetworkFlag): Options {
  const flags = { bootstrap, relay }
  return checkOptions(withNetwork(parseJson(text), flags), networkPlaces(filePlaces, flags))
}

/**
 * Reads, checks and expands an options.json in UTF-8 or, as Windows PowerShell writes it, UTF-16.
 * @param path absolute, or relative to the working directory
 * @param bootstrap nodes that go before those in the file
 * @param relay relays that go before those in the file
 * @throws HyperNatError `OPTIONS_NOT_FOUND` if there is no such file, `OPTIONS_UNREADABLE` if it cannot be read
 * @throws OptionsError `BAD_OPTIONS` with every fault found
 */
export async function readOptionsFile(
  path: string,
  bootstrap?: NetworkFlag,
  relay?: NetworkFlag
): Promise<Options> {
  const options = parseOptions(await readText(path), bootstrap, relay)
  // A guest's ticket is one, too.
  const holdsSecret = options.entries.some(
    entry => entry.mode === 'server' || (entry.guest && entry.friend === undefined)
  )
  const warning = holdsSecret ? await readableByOthers(path) : undefined
  const { identity, control, log, network } = options
  return {
    ...options,
    // As the file's owner sees it, wherever hyper-nat is started.
    ...(identity !== undefined && { identity: resolve(dirname(path), identity) }),
    ...(log && { log: { ...log, file: resolve(dirname(path), log.file) } }),
    ...(typeof control === 'string' && { control: resolve(dirname(path), control) }),
    ...(network.tcp?.tls && {
      network: {
        ...network,
        tcp: {
          ...network.tcp,
          tls: {
            cert: resolve(dirname(path), network.tcp.tls.cert),
            key: resolve(dirname(path), network.tcp.tls.key)
          }
        }
      }
    }),
    source: { path, read: () => readOptionsFile(path, bootstrap, relay) },
    warnings: warning ? [...options.warnings, warning] : options.warnings
  }
}

/**
 * Where a file has its control socket, whatever else is wrong in it: a daemon that runs from it has read it before.
 * @returns undefined where it does not say, or cannot be read
 */
export async function controlIn(path: string): Promise<Options['control']> {
  const text = await readText(path).catch(() => '')
  const { control } = Object(looseJson(text)) as { control?: unknown }
  if (control === false) return false
  return typeof control === 'string' && control !== '' ? resolve(dirname(path), control) : undefined
}

/** The user's own options file, for those who do not name one. */
export function settingsFile(): string {
  return join(userFolders().config, 'options.json')
}

/**
 * As {@link readOptionsFile}, for those who write the file later: while it is not there, it is one without entries.
 * @throws HyperNatError, OptionsError as there, but not `OPTIONS_NOT_FOUND`
 */
export async function readOptionsIfThere(
  path: string,
  bootstrap?: NetworkFlag,
  relay?: NetworkFlag
): Promise<Options> {
  try {
    return await readOptionsFile(path, bootstrap, relay)
  } catch (err) {
    if (codeOf(err) !== 'OPTIONS_NOT_FOUND') throw err
    return parseOptions('{ "schema": [] }', bootstrap, relay)
  }
}

/**
 * A warning if other users of this machine can read the file; undefined where nobody can, and on Windows, whose
 * permissions do not show in a file's mode.
 */
export async function readableByOthers(path: string): Promise<Warning | undefined> {
  if (process.platform === 'win32') return undefined
  // An editor may have moved the file away to replace it.
  const { mode = 0 } = (await stat(path).catch(() => undefined)) ?? {}
  // Pipes and devices (`-c /dev/fd/3`) have no readers at rest.
  if ((mode & 0o170000) !== 0o100000 || (mode & READABLE_BY_OTHERS) === 0) return undefined
  return {
    code: 'FILE_READABLE',
    path,
    message: `other users of this computer can read this file, and with it the secret; chmod 600 ${path}`
  }
}

async function readText(path: string): Promise<string> {
  try {
    return decodeText(await readFile(path))
  } catch (cause) {
    if (cause instanceof OptionsError) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') throw new HyperNatError('OPTIONS_NOT_FOUND', `there is no file ${path}`, { cause })
    throw new HyperNatError('OPTIONS_UNREADABLE', `cannot read ${path}: ${reason(codeOf(cause))}`, { cause })
  }
}

/** The system's codes for what people can mend. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'it is on a disk that cannot be written to',
  ENOSPC: 'the disk is full',
  EISDIR: 'it is a directory',
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder'
}

/** Why a file can be neither read nor written, as the rest of a sentence. */
export function reason(code: string): string {
  return REASONS[code] ?? code
}
