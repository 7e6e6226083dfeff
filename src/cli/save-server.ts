/** `--save` of `hyper-nat server` and `hyper-nat host`: keeps what they share in an options file. */

import type { Options as Flag } from 'yargs'
import type { FoundDaemon } from '../control/client.js'
import { OptionsError } from '../errors.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { RawEntry } from '../options/edit.js'
import type { Given, ServerOptions } from '../options/flags.js'
import { type Arguments, type DaemonJob, type Job, type Task, text } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { DEFAULT_FILE, savedText } from './file.js'
import { runFlags } from './run-flags.js'
import { runningFrom } from './running.js'
import { type SecretSource, secretOf } from './secret-source.js'
import { networkFlags, ownRelayFlags, portMappingFlag } from './shared-flags.js'

export const saveFlags: Readonly<Record<string, Flag>> = {
  save: {
    type: 'boolean',
    describe: `Save it in ${DEFAULT_FILE}, with its secret, so that hyper-nat alone shares it again`
  },
  config: { alias: 'c', type: 'string', describe: `With --save, a file other than ./${DEFAULT_FILE}` }
}

/** Flags of this run that are no part of an entry. */
const NOT_KEPT = Object.keys({
  bootstrap: 0,
  control: 0,
  ...networkFlags,
  ...ownRelayFlags,
  ...runFlags,
  ...portMappingFlag
})

/** What is shared, and where its secret comes from. */
export interface ToShare extends Omit<SecretSource, 'secret'> {
  readonly secret: Given
  readonly options: ServerOptions
}

/**
 * The options with a secret from flags or chance; with `--save`, that of the same entries in the file goes before chance, so that the
 * same line gives the same ticket.
 * @throws OptionsError
 */
export async function toShare(
  args: Arguments,
  context: CliContext,
  make: (secret: Given) => ServerOptions
): Promise<ToShare> {
  if (args.config !== undefined && !args.save) {
    const message = 'only works with --save: the options come from flags'
    throw new OptionsError([{ path: '-c', message }], 'BAD_USAGE')
  }
  const source = await secretOf(args, context, make)
  const options = make(source.secret)
  if (!args.save || !source.generated) return { ...source, options }
  const { secretIn } = await import('../options/edit.js')
  const found = await secretIn(pathOf(args), entriesOf(options))
  const secret = { text: found ?? source.secret.text, place: source.secret.place }
  return { ...source, secret, options: make(secret) }
}

/** The job as it is, or one that saves, too. A daemon that runs from the file shares it in place of this process. */
export async function savedJob(
  job: DaemonJob,
  shared: ToShare,
  args: Arguments,
  context: CliContext
): Promise<Job> {
  const { generated, secret, options } = shared
  if (!args.save) return { ...job, ...(generated && { generatedSecret: secret.text }) }
  const path = pathOf(args)
  const save = async (): Promise<string> => {
    const { saveEntries } = await import('../options/edit.js')
    return savedText(await saveEntries(path, entriesOf(options)), path, context.name) + notKept(args)
  }
  const running = await runningFrom(path, args, context)
  if (!running) return { ...job, shared: save }
  return { warnings: job.options.warnings, task: handOver(running, save, options, path, args) }
}

function pathOf(args: Arguments): string {
  return text(args, 'config') ?? DEFAULT_FILE
}

/** As a person writes them. */
function entriesOf({ schema }: ServerOptions): RawEntry[] {
  return schema.map(entry => ({
    ...entry,
    ...(/^\d+$/.test(String(entry.port)) && { port: Number(entry.port) })
  }))
}

function notKept(args: Arguments): string {
  const given = NOT_KEPT.filter(name => args[name] !== undefined && args[name] !== false)
  if (given.length === 0) return ''
  return `The file does not keep ${given.map(name => `--${name}`).join(', ')}: docs/options.md has the settings for that.\n`
}

/** Saves, and has the daemon that runs from the file share it. */
function handOver(
  { who, control }: FoundDaemon,
  save: () => Promise<string>,
  { entries }: ServerOptions,
  path: string,
  args: Arguments
): Task {
  return async ({ stdout }) => {
    const { encodeKey } = await import('../identity/encoding.js')
    const { keyPairOf } = await import('../identity/keys.js')
    const publicKey = encodeKey(keyPairOf(entries.find(entry => entry.mode === 'server')!.secret).publicKey)
    try {
      const said = await save()
      await control.ask('reload', CONTROL_LIMITS.jobMs)
      const { servers } = await control.ask('status', CONTROL_LIMITS.whoMs)
      const server = servers.find(one => one.publicKey === publicKey)
      const maps = server?.maps.map(({ proto, port, host }) => ({ proto, port, host })) ?? []
      const { pid } = who
      if (args.json)
        stdout(`${JSON.stringify({ event: 'saved', publicKey, pid, maps, ticket: server?.ticket })}\n`)
      else {
        if (server?.ticket !== undefined)
          stdout(args.quiet ? `${server.ticket}\n` : `  hyper-nat join ${server.ticket}\n`)
        if (!args.quiet) stdout(`${said}The hyper-nat that runs from ${path} (process ${pid}) shares it.\n`)
      }
      return EXIT.done
    } finally {
      control.close()
    }
  }
}
