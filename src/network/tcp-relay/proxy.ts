/** The HTTP proxy that the environment names. */
import { HyperNatError } from '../../errors.js'
import { quote } from '../../text/quote.js'

/** Those that are asked, in their order. */
const VARIABLES = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'] as const

/**
 * @param named what the environment names: `http://host:port`, with a name and a password if it wants them; empty for none
 * @throws HyperNatError BAD_PROXY
 */
export function proxyUrl(env: NodeJS.ProcessEnv, named: string): URL | null {
  if (named === '') return null
  const url = parse(named)
  if (url) return url
  // A password is nobody's business who sees the message.
  const shown = quote(named.replace(/^(.*\/\/)?.*@/, '$1..@'))
  const variable = VARIABLES.find(name => env[name])?.toUpperCase()
  throw new HyperNatError(
    'BAD_PROXY',
    `${variable} names ${shown}, which is no HTTP proxy: set HTTPS_PROXY to an address such as http://proxy.example:3128, or name the relay in NO_PROXY.`
  )
}

function parse(text: string): URL | null {
  try {
    const url = new URL(text)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
    decodeURIComponent(url.username)
    decodeURIComponent(url.password)
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
  const variable = VARIABLES.find(name => env[name])
  return variable && env[variable]!.includes('://') ? found : found.replace(/^https:/, 'http:')
}
