/** Where a server's secret comes from: a flag, a file, stdin, the environment, or chance. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { codeOf, OptionsError } from '../errors.js'
import type { Warning } from '../options/entry.js'
import type { Given } from '../options/flags.js'
import { type Arguments, text } from './command.js'
import type { CliContext } from './context.js'

/** A secret, whether it was made just now, and what is unwise about its file. */
export interface SecretSource {
  readonly secret: Given
  readonly generated: boolean
  readonly warning?: Warning | undefined
}

/**
 * The secret of `hyper-nat server`. An empty one is returned as it is, for the check of all options to refuse: an unset
 * variable in a script must not end in a new random identity.
 * @param check called before a file is written, with a secret like that; throws when something else is wrong, and nothing is written
 * @throws OptionsError `BAD_USAGE` if two flags give one, `BAD_OPTIONS` if its file cannot be used; what `check` throws
 */
export async function secretOf(
  args: Arguments,
  context: CliContext,
  check: (secret: Given) => unknown
): Promise<SecretSource> {
  const flag = text(args, 'secret')
  const path = text(args, 'secret-file')
  if (flag !== undefined && path !== undefined) {
    throw new OptionsError(
      [{ path: '--secret-file', message: 'cannot be combined with -s; give one of them' }],
      'BAD_USAGE'
    )
  }
  const kept = text(args, 'save-secret')
  if (kept !== undefined && (flag ?? path) !== undefined) {
    const other = flag === undefined ? '--secret-file' : '-s'
    throw fault(`cannot be combined with ${other}; give one of them`, '--save-secret')
  }
  if (kept !== undefined) return keptIn(kept, context, check)
  if (flag !== undefined) return { secret: { text: flag, place: '-s' }, generated: false }
  if (path !== undefined) return fromFile(path, context)
  const variable = context.env.HYPER_NAT_SECRET
  if (variable !== undefined)
    return { secret: { text: variable, place: 'HYPER_NAT_SECRET' }, generated: false }
  const { randomSecret } = await import('../identity/keys.js')
  return { secret: { text: randomSecret().reveal(), place: '-s' }, generated: true }
}

/** The secret of a file, which is written if it is not there, for its owner alone. */
async function keptIn(
  path: string,
  context: CliContext,
  check: (secret: Given) => unknown
): Promise<SecretSource> {
  if (path === '') throw fault('is empty; it is the name of a file', '--save-secret')
  const isThere = (): boolean => existsSync(path)
  if (!isThere()) {
    const [{ randomSecret }, { locked }, { default: writeFileAtomic }] = await Promise.all([
      import('../identity/keys.js'),
      import('../options/lock.js'),
      import('write-file-atomic')
    ])
    const text = randomSecret().reveal()
    check({ text, place: '--save-secret' })
    try {
      // Whole or not at all, and by one of two processes that start at once: an empty file would keep hyper-nat from starting ever after.
      await locked(path, async lock => {
        if (isThere()) return
        await writeFileAtomic(path, `${text}\n`, { mode: 0o600, tmpfileCreated: lock.note })
      })
    } catch (err) {
      throw fault(`names ${path}, which cannot be written: ${codeOf(err)}`, '--save-secret')
    }
  }
  return fromFile(path, context, '--save-secret')
}

async function fromFile(path: string, context: CliContext, place = '--secret-file'): Promise<SecretSource> {
  const { readableByOthers } = await import('../options/file.js')
  const { decodeText } = await import('../util/decode-text.js')
  try {
    const stdin = path === '-'
    const bytes = stdin ? await context.readStdin() : await readFile(path)
    // Editors and echo end the line; that is not part of the secret.
    const secret = decodeText(bytes).replace(/\r?\n$/, '')
    if (/[\r\n]/.test(secret)) throw fault('holds more than one line; a secret is one', place)
    return {
      secret: { text: secret, place },
      generated: false,
      warning: stdin ? undefined : await readableByOthers(path)
    }
  } catch (err) {
    if (err instanceof OptionsError) throw fault(err.faults[0]!.message, place)
    const { code } = err as NodeJS.ErrnoException
    throw fault(
      code === 'ENOENT'
        ? `names ${path}, which does not exist`
        : `names ${path}, which cannot be read: ${code}`,
      place
    )
  }
}

function fault(message: string, path: string): OptionsError {
  return new OptionsError([{ path, message }])
}
