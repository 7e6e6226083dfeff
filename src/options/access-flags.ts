/** The flags that say who may come in to a server, turned into what its entry in a file would hold. */
import type { Fault } from '../errors.js'
import type { Places } from './places.js'

/** What the command line says; undefined where a flag is not given. */
export interface AccessFlags {
  readonly private?: boolean | undefined
  readonly roster?: boolean | undefined
  /** Public keys, or `NAME=KEY`, separated by commas. */
  readonly allow?: string | undefined
}

const ALLOW = '--allow'

function itemsOf({ allow = '' }: AccessFlags): string[] {
  return allow
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** What one of the server's entries says for all of them. From flags there are no invites, so that keys are all there is. */
export function accessOf(flags: AccessFlags): Readonly<Record<string, unknown>> {
  const allow = itemsOf(flags).map(item => {
    const at = item.indexOf('=')
    return at < 0 ? item : { name: item.slice(0, at).trim(), publicKey: item.slice(at + 1).trim() }
  })
  return {
    ...(flags.private && { private: true }),
    ...(flags.roster && { roster: true }),
    ...(flags.allow !== undefined && { allow })
  }
}

/** What is asked for in vain. */
export function accessFaults(flags: AccessFlags): Fault[] {
  const none = itemsOf(flags).length === 0
  if (flags.private && none) {
    const message =
      'lets nobody in without --allow: name the keys of your friends there (hyper-nat id shows them theirs), or write the server into options.json, for hyper-nat invite'
    return [{ path: '--private', message }]
  }
  if (!flags.private && flags.allow !== undefined) {
    const message = 'goes with --private: without it, everybody comes in who has the ticket'
    return [{ path: ALLOW, message }]
  }
  return []
}

/** Names what is wrong with a key by its place on the command line. */
export function accessPlaces(places: Places, flags: AccessFlags): Places {
  const many = itemsOf(flags).length > 1
  return {
    entry: places.entry,
    field: path => {
      const [top, , key, index] = path
      if (top !== 'schema' || key !== 'allow') return places.field(path)
      return many && typeof index === 'number' ? `${ALLOW}, key ${index + 1}` : ALLOW
    }
  }
}
