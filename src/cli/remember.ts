/** Keeps a server that was joined as a friend: `hyper-nat join --remember NAME`, or as the user answers. */

import { type ErrorCode, HyperNatError, InputError, OptionsError } from '../errors.js'
import type { Ticket } from '../identity/ticket.js'
import { quote } from '../text/quote.js'
import { type Arguments, text } from './command.js'
import type { CliContext } from './context.js'

/** Keeps the server as a friend, once; resolves with what to say. */
export type Remember = () => Promise<string>

/**
 * How to keep the server as a friend, if a flag says so or the user agrees to it on the terminal.
 * @throws OptionsError for a name that cannot be used
 */
export async function rememberer(
  ticket: Ticket,
  args: Arguments,
  context: CliContext
): Promise<Remember | undefined> {
  const given = text(args, 'remember')
  const fault = (path: string, message: string, code?: ErrorCode): OptionsError =>
    new OptionsError([{ path, message, ...(code && { code }) }], 'BAD_USAGE')
  if (given === undefined && args.replace) throw fault('--replace', 'only works with --remember')
  const isQuiet = args.quiet === true || args.json === true || args.yes === true
  if (given === undefined && (isQuiet || !context.ask)) return undefined
  const { encodeTicket } = await import('../identity/ticket.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const { addFriend, checkFriend, NameTakenError, readFriends } = await import('../options/friends.js')
  const server = encodeTicket(ticket)
  const friends = await readFriends()
  const key = encodeKey(ticket.publicKey)
  let done = false
  const remember =
    (name: string, replace: boolean): Remember =>
    async () => {
      // The ports may be told again.
      if (done) return ''
      done = true
      await addFriend(name, server, replace)
      return `Remembered as ${name}. Next time: ${context.name} join ${name}\n`
    }
  /** Why the name cannot be used. */
  const wrong = (name: string): HyperNatError | undefined => {
    try {
      checkFriend(friends, name, server)
      return undefined
    } catch (err) {
      if (err instanceof HyperNatError) return err
      throw err
    }
  }
  if (given !== undefined) {
    const err = wrong(given)
    if (err && !(args.replace && err instanceof NameTakenError)) {
      const message = err instanceof InputError ? `${quote(given)} ${err.fault}` : err.message
      throw fault('--remember', message, err.code)
    }
    return remember(given, args.replace === true)
  }
  if (friends.some(({ publicKey }) => publicKey === key)) return undefined
  const ask = context.ask!
  let question = 'Name this server to join it by name next time (Enter to skip): '
  for (;;) {
    const name = (await ask(question)).trim()
    if (name === '') return undefined
    const err = wrong(name)
    if (!err) return remember(name, false)
    if (err instanceof NameTakenError) {
      const answer = await ask(`${err.conflict}. Replace it? (y/N) `)
      if (/^y(es)?$/i.test(answer.trim())) return remember(name, true)
      question = 'Another name (Enter to skip): '
    } else question = `${err.message}. Another name (Enter to skip): `
  }
}
