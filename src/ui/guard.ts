/** What every request must be, and every answer must say, so that no other site reaches the page, whatever its token. */
import { parseHost } from '../http/host-header.js'

/** Where the page listens: nobody else's computer gets there. */
export const PAGE_HOST = '127.0.0.1'

/** Names by which a browser on this computer gets there. */
const NAMES: readonly string[] = [PAGE_HOST, 'localhost']

const HTTP = 'http://'
const HTTP_PORT = 80

/** What browsers are told: nothing from elsewhere, nothing written into the page, nobody around it, no trace of it. */
export const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store'
}

/** What of a request tells who sent it. */
export interface Sender {
  readonly host: string | undefined
  /** Browsers name the site whose page asks. */
  readonly origin: string | undefined
  /** `Sec-Fetch-Site`; left out by older browsers. */
  readonly site: string | undefined
}

/**
 * Why a request is refused; undefined when it is not. A name of another site that leads to 127.0.0.1 (DNS rebinding) shows in
 * `Host`, a request that another site's page causes in `Origin` and `Sec-Fetch-Site`.
 * @param port that the page listens on
 */
export function refusalOf({ host, origin, site }: Sender, port: number): string | undefined {
  const isOwn = (header: string | undefined): boolean => {
    const asked = parseHost(header)
    return asked !== null && NAMES.includes(asked.name) && (asked.port ?? HTTP_PORT) === port
  }
  if (!isOwn(host)) return `The page is at http://${PAGE_HOST}:${port} only.`
  const foreign = origin !== undefined && !(/^http:\/\//i.test(origin) && isOwn(origin.slice(HTTP.length)))
  if (foreign || site === 'cross-site' || site === 'same-site') return 'Other sites cannot use this page.'
  return undefined
}
