/** `hyper-nat keygen`: a new secret, and the public key that comes from it. */

import type { Command, Job } from './command.js'

export const keygen: Command = {
  name: 'keygen',
  describe: 'Make a strong secret, and show it with its public key',
  flags: {},
  examples: [['hyper-nat keygen', 'a secret for -s, --secret-file or options.json']],
  subject: () => 'hyper-nat keygen',
  job
}

async function job(): Promise<Job> {
  const { keyPairOf, randomSecret } = await import('../identity/keys.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const secret = randomSecret()
  const publicKey = encodeKey(keyPairOf(secret).publicKey)
  return {
    answer: {
      text:
        `secret (for your server only; anyone who knows it can pose as it)\n  ${secret.reveal()}\n` +
        `public key (for your friends)\n  ${publicKey}\n`,
      json: { event: 'keygen', secret: secret.reveal(), publicKey }
    }
  }
}
