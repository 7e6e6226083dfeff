/** What is used of proxy-from-env 2; the package has no types of its own. */
declare module 'proxy-from-env' {
  /** The proxy for a URL by the environment (`HTTPS_PROXY`, `NO_PROXY`); empty for none. */
  export function getProxyForUrl(url: string): string
}
