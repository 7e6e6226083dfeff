/**
 * The guard against DNS rebinding: a web page whose name leads to this machine may be read by its browser, and shows in `Host`. A
 * request is let in under an IP address, or under the one name that no one else can own.
 */
import net from 'node:net'

/** A `Host` header in its parts; the port is null where it is left out. Null for what is no host. */
export function parseHost(header: string | undefined): { name: string; port: number | null } | null {
  const parts = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(header ?? '')
  if (!parts) return null
  return {
    name: parts[1]!.replace(/^\[(.*)\]$/, '$1').toLowerCase(),
    port: parts[2] === undefined ? null : Number(parts[2])
  }
}

/** Whether a `Host` header is an IP address or `localhost`. */
export function isOwnHost(header: string | undefined): boolean {
  const host = parseHost(header)
  return host !== null && (host.name === 'localhost' || net.isIP(host.name) !== 0)
}
