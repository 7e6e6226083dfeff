/** `hyper-nat id`: the public key by which servers know this computer. */

import { type Arguments, type Command, type Job, text } from './command.js'

export const id: Command = {
  name: 'id',
  describe: 'Show the public key of an identity file; creates the file if missing',
  flags: {
    identity: { type: 'string', describe: "The file (one in this system's folder for settings)" }
  },
  examples: [
    ['hyper-nat id', 'for the owner of a server to let you in by'],
    ['hyper-nat id --identity me.key', 'of another file']
  ],
  changes: true,
  subject: () => 'hyper-nat id',
  job
}

async function job(args: Arguments): Promise<Job> {
  const { defaultIdentityFile, loadIdentity } = await import('../options/identity-file.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const file = text(args, 'identity') ?? defaultIdentityFile()
  const publicKey = encodeKey((await loadIdentity(file)).publicKey)
  const shown = /[^\w\\/.:~-]/.test(file) ? `"${file}"` : file
  return {
    answer: {
      text: `${publicKey}\n`,
      hint: `Send this key to the owner of a server, who can allow it. Then join with it:\n  hyper-nat join TICKET --identity ${shown}\n`,
      json: { event: 'identity', publicKey, file }
    }
  }
}
