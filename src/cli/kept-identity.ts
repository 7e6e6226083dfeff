/** The key by which a server knows this computer again. */

import type { Warning } from '../options/entry.js'

/** The file with this computer's key for a server, which games know a player by. Where it cannot be kept, one does without. */
export async function keptIdentity(publicKey: Uint8Array, warnings: Warning[]): Promise<string | undefined> {
  const { identityFileFor, loadIdentity } = await import('../options/identity-file.js')
  const file = identityFileFor(publicKey)
  try {
    await loadIdentity(file)
    return file
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err)
    const message = `${why}. Until this is fixed, the server sees a new guest each time`
    warnings.push({ code: 'IDENTITY_NOT_KEPT', path: 'TICKET', message })
    return undefined
  }
}
