/** The HTTP proxy that the environment names. */
import { HyperNatError } from '../../errors.js'
import { quote } from '../../text/quote.js'

/**
 * @param named what `HTTPS_PROXY` names: `http://host:port`, with a name and a password if it wants them; empty for none
 * @throws HyperNatError BAD_PROXY
 */
export function proxyUrl(named: string): URL | null {
  if (named === '') return null
  const url = parse(named)
  if (url) return url
  // A password is nobody's business who sees the message.
  const shown = quote(named.replace(/^(.*\/\/)?.*@/, '$1..@'))
  throw new HyperNatError(
    'BAD_PROXY',
    `HTTPS_PROXY names ${shown}, which is no HTTP proxy: set it to an address such as http://proxy.example:3128.`
  )
}

function parse(text: string): URL | null {
  try {
    const url = new URL(text)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
    decodeURIComponent(`${url.username}${url.password}`)
    return url
  } catch {
    return null
  }
}

/**
 * What proxy-from-env has found, where the environment names no scheme: that is plain HTTP, as for curl, and not TLS, as for the
 * package.
 */
export function withScheme(env: NodeJS.ProcessEnv, found: string): string {
  const named = env.https_proxy || env.HTTPS_PROXY || env.all_proxy || env.ALL_PROXY || ''
  return named.includes('://') ? found : found.replace(/^https:/, 'http:')
}
